"""What a backtest says of a past: the same code as live, weeks counted right, labels held against it."""

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.backtest_past import labels_in
from deploy.backtest_told import Labelled, told
from deploy.backtesting import GRACE_US, MINUTE_US, RulesNow, of_events, of_rows, of_steps
from deploy.cli.app import app
from deploy.cli.backtest import show
from deploy.in_order import Timed, in_order
from schemas.errors import InputError
from schemas.governance import GovernanceRule
from schemas.periods import micros
from schemas.policies import SpikeRule
from schemas.signals import Alert
from schemas.steps import STEP_SCHEMA
from sinks.anomaly_questions import labelled_anomalies, spent_by_minute
from tests.laws.rating_events import event, raw, rfc3339
from tests.scenarios.burn_log import Row, summed
from tests.scenarios.patterns_stories import in_places
from tests.scenarios.steps_log import Step

START = datetime(2026, 11, 16, tzinfo=UTC)
USUAL_MIN, HOT_MIN = 205, 10
FOUND_AT = START + timedelta(minutes=USUAL_MIN + 2, microseconds=GRACE_US)


def minutes() -> dict[int, pa.RecordBatch]:
    """Four hours of 3 or 4 cents a minute, then ten minutes of a dollar."""
    start_us = micros(START)
    cents = [3 + minute % 2 for minute in range(USUAL_MIN)] + [100] * HOT_MIN
    spent = {start_us + minute * MINUTE_US: cent * 10**10 for minute, cent in enumerate(cents)}
    return {at_us: summed([Row("acme", "agent", "bot", at_us, cost_pico=pico)]) for at_us, pico in spent.items()}


@lru_cache(maxsize=1)
def said_of_them() -> list[Alert]:
    """The alerts of these minutes by default."""
    return list(of_rows(minutes().items(), RulesNow([])))


def test_what_is_stored_is_judged_as_live() -> None:
    """The spike is told after its second minute; not where a rule asks for more."""
    [opened] = said_of_them()
    assert (opened.rule, opened.entity_id, opened.at) == ("spike", "bot", FOUND_AT)
    dear = SpikeRule.model_validate({"org": "acme", "min_excess_usd_per_hour": "100"})
    assert list(of_rows(minutes().items(), RulesNow([dear]))) == []


def _minute(step: Step) -> int:
    return int(step["ts_us"] // MINUTE_US)


def test_a_shared_key_is_found_in_what_is_stored() -> None:
    """Call by call, as the ledger has them; not where a fleet is meant to share it."""
    by_minute = [(at * MINUTE_US, list(some)) for at, some in groupby(in_places(places=2), key=_minute)]
    rows = [(at_us, pa.RecordBatch.from_pylist(some, schema=STEP_SCHEMA)) for at_us, some in by_minute]
    rules = (GovernanceRule(org="acme", shared_keys=shared) for shared in ((), ("k",)))
    found = [[alert.rule for alert in of_steps(rows, RulesNow([rule]))] for rule in rules]
    assert found == [["shared_at_once"], []]


def test_labels_are_held_against_the_alerts() -> None:
    """Right, wrong, unlabelled; what was confirmed and not told lowers recall; the delay is from its beginning."""
    alerts = said_of_them()
    began = START + timedelta(minutes=USUAL_MIN)
    right = Labelled("agent", "bot", began, began + timedelta(minutes=10), confirmed=True)
    missed = Labelled("agent", "other", began, began + timedelta(minutes=10), confirmed=True)
    wrong = Labelled("agent", "bot", began, began + timedelta(minutes=10), confirmed=False)
    until = START + timedelta(days=14)
    said = told(alerts, [right, missed], since=START, until=until)
    assert (said["alerts_per_week"], said["by_rule"]) == (0.5, {"spike": 1})
    assert said["labels"] == {
        "confirmed": 2, "dismissed": 0, "right": 1, "wrong": 0, "unlabelled": 0,
        "precision": 1.0, "recall": 0.5, "lead_min": 2.2,
    }  # fmt: skip
    assert told(alerts, [wrong], since=START, until=until)["labels"]["precision"] == 0.0
    assert told(alerts, [], since=START, until=until)["labels"] == {
        "confirmed": 0, "dismissed": 0, "right": 0, "wrong": 0, "unlabelled": 1,
        "precision": None, "recall": None, "lead_min": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("named", "right"),
    [({}, 1), ({"org": "acme", "rule": "spike"}, 1), ({"org": "other"}, 0), ({"org": "acme", "rule": "silence"}, 0)],
    ids=str,
)
def test_a_label_of_another_organisation_or_rule_is_none_of_this_alert(named: dict[str, str], right: int) -> None:
    """Two organisations have a bot each, and what a spike was says nothing of a silence."""
    began = START + timedelta(minutes=USUAL_MIN)
    label = Labelled("agent", "bot", began, began + timedelta(minutes=10), confirmed=True, **named)
    judged = told(said_of_them(), [label], since=START, until=START + timedelta(days=7))["labels"]
    assert (judged["right"], judged["recall"], judged["unlabelled"]) == (right, float(right), 1 - right)


def test_labels_may_name_organisation_and_rule(tmp_path: Path) -> None:
    """Both columns may be left out, and empty where they hold for all."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "org,rule,entity_type,entity_id,since,until,label\n"
        "acme,spike,agent,bot,2026-11-16,2026-11-17,confirm\n,,agent,bot,2026-11-16,2026-11-17,dismiss\n"
    )
    assert [(one.org, one.rule, one.confirmed) for one in labels_in(path)] == [
        ("acme", "spike", True), (None, None, False),
    ]  # fmt: skip


def test_a_trace_is_rated_and_judged_without_a_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events in any order, with a rule and labels: the spike, told two minutes after it began."""
    calls = [(minute, 20_000 if minute < USUAL_MIN else 900_000) for minute in range(USUAL_MIN + HOT_MIN)]
    lines = [
        raw(event(f"e-{minute}", org="acme", agent="bot", model="gpt-4o", input_tokens=tokens,
                  time=rfc3339(micros(START) + minute * MINUTE_US + 30_000_000)))
        for minute, tokens in reversed(calls)
    ]  # fmt: skip
    trace, rules, labels = tmp_path / "trace.jsonl", tmp_path / "rules.toml", tmp_path / "labels.csv"
    trace.write_bytes(b"\n".join(lines) + b"\n")
    rules.write_text('[[spike_rule]]\norg = "acme"\nentity_types = ["agent"]\n')
    labels.write_text("entity_type,entity_id,since,until,label\nagent,bot,2026-11-16T03:25,2026-11-16T05:00,confirm\n")
    asked = ["backtest", str(rules), "--trace", "burnline", str(trace), "--labels", str(labels)]
    ended = CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False)
    found = json.loads(ended.stdout)
    assert found["by_rule"] == {"spike": 1}
    assert (found["labels"]["recall"], found["labels"]["lead_min"]) == (1.0, 2.2)
    for lead_min, word in (
        (2.2, ", told 2.2 min after it began (median)"),
        (-48.0, ", told 48.0 min before"),
        (None, ""),
    ):
        show(found | {"labels": found["labels"] | {"lead_min": lead_min}})
        said = capsys.readouterr().out
        assert f"1 confirmed, 0 dismissed; precision 1.0, recall 1.0{word}" in said


def of_a_loop(run: str, *, begin_min: int, calls: int) -> list[tuple[int, bytes]]:
    """A run that makes the same tool call each five seconds, for 0.02 USD."""
    begin_us = micros(START) + begin_min * MINUTE_US
    times = [begin_us + number * 5_000_000 for number in range(calls)]
    return [
        (at_us, raw(event(f"{run}-{begin_min}-{number}", org="acme", agent="bot", run=run, credential="k9",
                          tool="search", tool_call_hash="same", model="gpt-4o", input_tokens=8_000,
                          time=rfc3339(at_us))))
        for number, at_us in enumerate(times)
    ]  # fmt: skip


def test_a_trace_is_looked_at_call_by_call() -> None:
    """Runs that go round and keys in no directory are found; a run of the same name after a pause is another one."""
    rule = GovernanceRule(org="acme", registered=("credential",))
    events = [*of_a_loop("r", begin_min=0, calls=60), *of_a_loop("r", begin_min=60, calls=60)]
    found = [one for one in of_events(in_order(events), RulesNow([rule])) if one.status == "firing"]
    expected = [("unregistered", "k9"), ("runaway", "r"), ("runaway", "r")]
    assert [(one.rule, one.entity_id) for one in found] == expected
    assert [one.opened_at < START + timedelta(minutes=4) for one in found] == [True, True, False]
    short = [*of_a_loop("r", begin_min=0, calls=15), *of_a_loop("r", begin_min=60, calls=15)]
    assert list(of_events(in_order(short), RulesNow([]))) == []


@given(st.lists(st.tuples(st.integers(-(2**50), 2**50), st.binary(max_size=4))), st.integers(1, 7))
def test_events_of_any_number_come_in_order_of_time(events: list[tuple[int, bytes]], most_held: int) -> None:
    """However few are held at once; nothing is lost, and nothing comes twice."""
    assert list(in_order(events, most_held=most_held)) == sorted(events)


def test_no_more_of_a_trace_is_held_than_agreed() -> None:
    """Of 50,000 calls of half a kilobyte less than an eighth is in memory, whenever one looks."""
    tracemalloc.start()
    try:
        calls = ((number * 7919 % 50_000, b"%512d" % number) for number in range(50_000))
        assert sum(1 for _ in in_order(calls, most_held=2_500)) == 50_000
        assert tracemalloc.get_traced_memory()[1] < 50_000 * 512 / 8
    finally:
        tracemalloc.stop()


def test_ctrl_c_says_how_far_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read, up to when; the command ends as every other does."""
    trace = tmp_path / "trace.jsonl"
    trace.write_bytes(b"\n".join(value for _, value in of_a_loop("r", begin_min=0, calls=60)) + b"\n")

    def interrupted(events: Iterable[Timed]) -> Iterator[Timed]:
        yield from list(events)[:20]
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.in_order.in_order", interrupted)
    ended = CliRunner().invoke(app, ["backtest", "--trace", "burnline", str(trace)])
    assert (ended.exit_code, "interrupted, judged up to 2026-11-16 00:01Z: 20 calls" in ended.stderr) == (130, True)


def test_what_has_no_calls_is_refused(tmp_path: Path) -> None:
    """Charges and outcomes are no trace of calls."""
    (tmp_path / "charges.csv").write_text("charge_id,service_start,service_end,amount_usd\n")
    asked = ["backtest", "--trace", "charges", str(tmp_path / "charges.csv"), "--set", "org=acme"]
    ended = CliRunner().invoke(app, asked)
    assert isinstance(ended.exception, InputError)
    assert "charges has no calls" in str(ended.exception)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("entity_type,entity_id,since\nagent,bot,2026-11-23\n", "row 2: until, label is missing"),
        ("entity_type,entity_id,since,until,label\nagent,bot,2026-11-23,2026-11-24,maybe\n", "label = 'maybe'"),
        ("entity_type,entity_id,since,until,label\nagent,bot,soon,2026-11-24,confirm\n", "row 2: since"),
    ],
)
def test_labels_that_cannot_be_read_are_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """File, row and column are named."""
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        labels_in(path)


@pytest.mark.parametrize("arguments", [[], ["--since", "7d", "--series", "x.csv"], ["rules.toml"]])
def test_one_past_is_looked_at(arguments: list[str]) -> None:
    """None or two of --since, --trace and --series are refused."""
    ended = CliRunner().invoke(app, ["backtest", *arguments])
    assert isinstance(ended.exception, InputError)
    assert "say what to look at" in str(ended.exception)


def test_questions_take_no_names_from_outside() -> None:
    """Kinds are of a list; times are parameters."""
    asked = spent_by_minute(("team", "agent"), since=START, until=START)
    assert asked.parameters == labelled_anomalies(since=START, until=START).parameters
    with pytest.raises(InputError, match="entity type 'x' is not known"):
        spent_by_minute(("x",), since=START, until=START)
