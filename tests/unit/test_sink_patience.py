"""Waiting for what is gone."""

import threading

import pytest
import structlog
from structlog.testing import capture_logs

from schemas.errors import KafkaUnavailableError, StoreUnavailableError
from sinks.patience import Patience, StopRequested


def failing(*errors: Exception | None) -> "list[Exception | None]":
    """What the step does at each call: raise, or succeed for None."""
    return list(errors)


def run(outcomes: "list[Exception | None]", patience: Patience) -> int:
    """The step's result after all outcomes; it counts its calls."""
    calls = 0

    def step() -> int:
        nonlocal calls
        calls += 1
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return calls

    return patience.until_done(step)


def test_a_step_is_repeated_until_it_succeeds_with_one_line_per_change() -> None:
    """However often it fails: one line when it begins to, another when it is over."""
    with capture_logs() as lines:
        patience = Patience(threading.Event(), structlog.get_logger())
        assert run([StoreUnavailableError("a"), StoreUnavailableError("b"), None], patience) == 3
        assert run([None], patience) == 1
    assert [(line["event"], line.get("reason")) for line in lines] == [("waiting", "a"), ("going on", None)]


def test_another_kind_of_outage_is_another_line() -> None:
    """Kafka gone after ClickHouse gone is news."""
    with capture_logs() as lines:
        run(
            [StoreUnavailableError("a"), KafkaUnavailableError("b"), None],
            Patience(threading.Event(), structlog.get_logger()),
        )
    assert [line["event"] for line in lines] == ["waiting", "waiting", "going on"]


def test_a_step_that_had_nothing_to_do_ends_no_outage() -> None:
    """Kafka is gone for the reader; other steps that succeed meanwhile do not say that it is back."""
    with capture_logs() as lines:
        patience = Patience(threading.Event(), structlog.get_logger())
        for _ in range(3):
            patience.gone(KafkaUnavailableError("no broker answers"))
            assert run([None], patience) == 1
        patience.back()
    assert [line["event"] for line in lines] == ["waiting", "going on"]


def test_who_is_asked_to_leave_does_not_wait() -> None:
    """A failing step ends with StopRequested as soon as the process is to leave."""
    stop = threading.Event()
    stop.set()
    with capture_logs(), pytest.raises(StopRequested):
        run([StoreUnavailableError("a"), None], Patience(stop, structlog.get_logger()))


def test_other_errors_are_not_waited_for() -> None:
    """A fault of ours goes through at once."""
    with pytest.raises(ZeroDivisionError):
        run([ZeroDivisionError()], Patience(threading.Event(), structlog.get_logger()))
