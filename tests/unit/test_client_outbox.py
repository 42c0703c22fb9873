"""Calls on their way to an emitter: the caller never waits, what cannot be told is counted, the end tells the rest."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from burnline_client import outbox as outbox_module
from burnline_client.outbox import Outbox


@dataclass(frozen=True)
class _Ended:
    name: str
    held_bytes: int = 10
    started_at: datetime = field(default=datetime(2026, 11, 22, tzinfo=UTC))


class _Gate:
    """An emitter that takes events only while it is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.taken: list[dict[str, Any]] = []

    def emit(self, **fields: Any) -> str:
        self.reached.set()
        assert self.open.wait(30)
        self.taken.append(fields)
        return f"id-{len(self.taken)}"


def _events(call: _Ended) -> list[dict[str, Any]]:
    if call.name == "bug":
        raise RuntimeError(call.name)
    return [{"run": call.name}, {"run": f"{call.name}/apart"}] if call.name == "two" else [{"run": call.name}]


def _put(outbox: Outbox, *names: str) -> None:
    for name in names:
        call = _Ended(name)
        outbox.opened(call, lambda: None)
        outbox.put(call)


def test_a_full_emitter_holds_nobody_and_what_is_lost_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One is on its way, three wait, the other two are lost and said so; what waited is told when it can be."""
    monkeypatch.setattr(outbox_module, "_MAX_CALLS", 3)
    gate = _Gate()
    outbox = Outbox(gate, events_of=_events)
    _put(outbox, "a")
    assert gate.reached.wait(10)
    with caplog.at_level(logging.ERROR, logger="burnline_client"):
        _put(outbox, "b", "c", "d", "e", "f")
    assert (outbox.lost, len(caplog.records)) == (2, 2)
    assert not outbox.flush(0.01)
    gate.open.set()
    assert outbox.flush(10)
    assert [event["run"] for event in gate.taken] == ["a", "b", "c", "d"]


def test_memory_is_bounded_by_what_calls_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large requests fill the bound sooner than many small ones."""
    monkeypatch.setattr(outbox_module, "_MAX_BYTES", 15)
    gate = _Gate()
    outbox = Outbox(gate, events_of=_events)
    _put(outbox, "a")
    assert gate.reached.wait(10)
    _put(outbox, "b", "c", "d")
    assert outbox.lost == 1
    gate.open.set()
    assert outbox.flush(10)


def test_closing_tells_what_is_open_and_after_it_nothing_is_taken() -> None:
    """A call that is under way is told as it stands, once."""
    gate = _Gate()
    gate.open.set()
    outbox = Outbox(gate, events_of=_events)
    call = _Ended("open")
    outbox.opened(call, lambda: outbox.put(call))
    outbox.close()
    outbox.put(call)
    _put(outbox, "late")
    assert [event["run"] for event in gate.taken] == ["open"]
    assert outbox.lost == 1


def test_a_call_that_cannot_be_told_does_not_hold_up_the_next() -> None:
    """Each fails alone; what belongs to a call names it."""
    gate = _Gate()
    gate.open.set()
    outbox = Outbox(gate, events_of=_events)
    _put(outbox, "bug", "two")
    assert outbox.flush(10)
    assert [(event["run"], event.get("parent_event_id")) for event in gate.taken] == [
        ("two", None),
        ("two/apart", "id-1"),
    ]
    assert outbox.lost == 1
    assert gate.taken[0]["time"] == _Ended("x").started_at
