"""What a backtest says of a past: the same code as live, weeks counted right, labels held against it."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from deploy.backtest_past import labels_in
from deploy.backtest_told import Labelled, told
from deploy.backtesting import GRACE_US, MINUTE_US, RulesNow, of_rows, of_steps, told_before
from deploy.cli.app import app
from deploy.cli.backtest import show
from schemas.errors import InputError
from schemas.governance import GovernanceRule
from schemas.periods import micros
from schemas.policies import SpikeRule
from schemas.signals import Alert
from schemas.steps import STEP_SCHEMA
from sinks.anomaly_questions import labelled_alerts, spent_by_minute
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


def test_a_minute_that_is_not_over_is_not_judged() -> None:
    """What is stored ends in the middle of one; nobody was told of it, and ten minutes of silence are yet to come."""
    [opened] = said_of_them()
    assert told_before(FOUND_AT, [opened]) == []
    later = opened.model_copy(update={"at": FOUND_AT + timedelta(minutes=1)})
    assert told_before(FOUND_AT + timedelta(hours=1), [later, opened]) == [opened, later]


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
    by_rule = said["labels"].pop("by_rule")
    assert said["labels"] == {
        "confirmed": 2, "dismissed": 0, "right": 1, "wrong": 0, "unlabelled": 0,
        "precision": 1.0, "recall": 0.5, "lead_min": 2.2,
    }  # fmt: skip
    nobodys = {"confirmed": 0, "recall": None, "lead_min": None}
    assert by_rule == {"spike": said["labels"] | nobodys}, "neither label names the rule"
    assert told(alerts, [wrong], since=START, until=until)["labels"]["precision"] == 0.0
    nothing = {
        "confirmed": 0, "dismissed": 0, "right": 0, "wrong": 0, "unlabelled": 1,
        "precision": None, "recall": None, "lead_min": None,
    }  # fmt: skip
    assert told(alerts, [], since=START, until=until)["labels"] == nothing | {"by_rule": {"spike": nothing}}


def test_each_rule_has_its_own_precision_and_recall(capsys: pytest.CaptureFixture[str]) -> None:
    """A label of one rule is neither right nor missed by another; what a rule missed stands there without an alert."""
    spike, began = said_of_them()[0], START + timedelta(minutes=USUAL_MIN)
    leak = spike.model_copy(update={"rule": "leak"})
    span = (began, began + timedelta(minutes=10))
    labels = [
        Labelled("agent", "bot", *span, confirmed=True, org="acme", rule="spike"),
        Labelled("agent", "bot", *span, confirmed=False, org="acme", rule="leak"),
        Labelled("run", "r", *span, confirmed=True, org="acme", rule="runaway"),
    ]
    said = told([spike, leak], labels, since=START, until=START + timedelta(days=7))
    numbers = {
        rule: (one["precision"], one["recall"], one["lead_min"]) for rule, one in said["labels"]["by_rule"].items()
    }
    assert numbers == {"spike": (1.0, 1.0, 2.2), "leak": (0.0, None, None), "runaway": (None, 0.0, None)}
    show(said)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("leak", "runaway"))]
    assert rows == [["leak", "1", "0", "1", "0.0", "0", "-", "-"], ["runaway", "0", "0", "0", "-", "1", "0.0", "-"]]


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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--since", "1d", "--until", "2d"], "must lie after --since 1d"),
        (["--since", "2099-01-01"], "--until now: it must lie after"),
        (["--series", "x.csv", "--until", "1d"], "--until goes with --since"),
        (["--since", "1d", "--set", "org=acme"], "--set goes with --trace"),
        (["--since", "1d", "--scores", "x.csv"], "--scores goes with --series"),
        (["rules.toml", "--series", "x.csv"], "a series has no rules"),
    ],
)
def test_what_says_nothing_together_is_refused(arguments: list[str], sentence: str) -> None:
    """Before anything is looked for: nobody takes a flag for heard that was passed over."""
    ended = CliRunner().invoke(app, ["backtest", *arguments])
    assert isinstance(ended.exception, InputError)
    assert sentence in str(ended.exception)


def test_questions_take_no_names_from_outside() -> None:
    """Kinds are of a list; times are parameters."""
    asked = spent_by_minute(("team", "agent"), since=START, until=START)
    assert asked.parameters == labelled_alerts(since=START, until=START).parameters
    with pytest.raises(InputError, match="entity type 'x' is not known"):
        spent_by_minute(("x",), since=START, until=START)
