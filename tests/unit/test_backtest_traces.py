"""Traces in a backtest: call by call, in order of time however long they are, and what Ctrl-C says."""

import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.backtesting import MINUTE_US, RulesNow, of_events
from deploy.cli.app import app
from deploy.in_order import Timed, in_order
from schemas.errors import InputError
from schemas.governance import GovernanceRule
from schemas.periods import micros
from tests.laws.rating_events import event, raw, rfc3339
from tests.unit.test_backtest import START


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
