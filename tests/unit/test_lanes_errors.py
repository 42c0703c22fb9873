"""What the driver's errors mean, and how often they are said."""

import asyncio
import io
import json
import logging
import os

import aiokafka.errors
import pytest
import structlog

from schemas.errors import FatalError, FencedError, KafkaUnavailableError
from streams import patience
from streams.ending import end_process
from streams.lane_producer import to_burnline_error
from streams.log import SaidOnce, configure_logging


@pytest.mark.parametrize(
    ("error", "meaning", "said"),
    [
        (aiokafka.errors.ProducerFenced(), FencedError, "another process owns this lane now"),
        (aiokafka.errors.InvalidProducerEpoch(), FencedError, "another process owns this lane now"),
        (aiokafka.errors.InvalidTxnState(), FencedError, "another process owns this lane now"),
        (aiokafka.errors.KafkaConnectionError(), KafkaUnavailableError, "no broker answers"),
        (aiokafka.errors.TopicAuthorizationFailedError("t"), FatalError, "we may not write there"),
        (aiokafka.errors.TransactionalIdAuthorizationFailed("id"), FatalError, "we may not write there"),
        (aiokafka.errors.MessageSizeTooLargeError(), FatalError, "larger than its topic takes"),
        (aiokafka.errors.KafkaTimeoutError(), FatalError, "the outcome of a transaction is unknown"),
        (AssertionError("Unrecognized partition"), FatalError, "the outcome of a transaction is unknown"),
    ],
)
def test_each_error_of_the_driver_has_a_meaning(error: BaseException, meaning: type[Exception], said: str) -> None:
    """Fenced, away, forbidden, too large; whatever else leaves the outcome open, and the next owner decides."""
    found = to_burnline_error(error, "lane")
    assert type(found) is meaning
    assert str(found).startswith("lane: ")
    assert said in str(found)


def test_a_librarys_line_is_said_once_in_a_while() -> None:
    """The same line within the quiet time is dropped, another one or a later one is not."""
    now = [0.0]
    once = SaidOnce(30, clock=lambda: now[0])

    def record(message: str) -> logging.LogRecord:
        return logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, None, None)

    assert [once.filter(record(message)) for message in ("gone", "gone", "back")] == [True, False, True]
    now[0] = 30.0
    assert once.filter(record("gone"))


def test_every_line_is_json_and_names_stage_and_instance() -> None:
    """Ours and the libraries' alike."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        configure_logging(stage="rating", instance="7", level="info", stream=stream)
        structlog.get_logger().info("lane runs", partition=3)
        logging.getLogger("aiokafka.conn").error("no %s", "route")
        logging.getLogger("aiokafka.conn").info("never said")
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["stage"], line["instance"], line["event"]) for line in lines] == [
        ("rating", "7", "lane runs"),
        ("rating", "7", "no route"),
    ]


def test_a_process_ends_though_its_log_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fenced worker whose log nobody reads any more must not live on."""

    class BrokenPipe(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    class Ended(BaseException):
        """Stands for the end of the process."""

    def end(code: int) -> None:
        raise Ended(code)

    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    monkeypatch.setattr(os, "_exit", end)
    try:
        configure_logging(stage="rating", instance="7", level="info", stream=BrokenPipe())
        with pytest.raises(Ended, match="1"):
            end_process(FencedError("gone"))
    finally:
        root.handlers[:], root.level = before
        structlog.reset_defaults()


def test_a_step_is_repeated_until_kafka_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line when it is gone, one when it is back, however often it was tried."""
    monkeypatch.setattr(patience, "_FIRST_WAIT_SEC", 0.001)
    failures = [KafkaUnavailableError("gone")] * 3

    async def step() -> str:
        if failures:
            raise failures.pop()
        return "done"

    with structlog.testing.capture_logs() as lines:
        assert asyncio.run(patience.until_done(step)) == "done"
    assert [line["event"] for line in lines] == ["waiting", "going on"]


def test_a_step_that_takes_long_is_said_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a quick one is not."""
    monkeypatch.setattr(patience, "_SLOW_SEC", 0.01)

    async def both() -> None:
        await patience.patiently(asyncio.sleep(0), "quick")
        await patience.patiently(asyncio.sleep(0.05), "slow")

    with structlog.testing.capture_logs() as lines:
        asyncio.run(both())
    assert [(line["event"], line.get("reason", line.get("after"))) for line in lines] == [
        ("waiting", "slow"),
        ("going on", "slow"),
    ]
