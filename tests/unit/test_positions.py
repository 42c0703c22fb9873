"""Who asks Kafka for something that it does not answer."""

import threading
from types import ModuleType

import pytest

from deploy.stack import health
from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from sinks import group_log

NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:9")


@pytest.mark.parametrize("question", ["append_time_us", "progress"])
def test_after_no_answer_the_next_question_is_asked_by_new_clients(question: str) -> None:
    """A client that gets nothing any more is not asked again: its next question would find nothing either."""
    with Positions(NOBODY, timeout_sec=0.05) as positions:
        asked = positions._admin, positions._progress, positions._reader
        with pytest.raises(KafkaUnavailableError):
            getattr(positions, question)(*((("internal.deltas", 0), 0) if question == "append_time_us" else ()))
        again = positions._admin, positions._progress, positions._reader
    assert not set(map(id, asked)) & set(map(id, again))


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[object]:
    """The connections of this kind that the module makes from now on."""
    made: list[object] = []
    real = getattr(module, name)

    def connect(*args: object, **more: object) -> object:
        made.append(real(*args, **more))
        return made[-1]

    monkeypatch.setattr(module, name, connect)
    return made


def test_a_broker_that_gave_no_answer_is_looked_at_by_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever became of the old one, the next look is its own."""
    made = counted(monkeypatch, health, "AdminClient")
    assert health.kafka_check(NOBODY)() is not None
    assert len(made) == 2


def test_each_attempt_to_fence_the_sink_before_has_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there is a transaction nothing depends on which connection it was."""
    monkeypatch.setattr(group_log, "_CALL_SEC", 0.05)
    made = counted(monkeypatch, group_log, "Producer")
    log = group_log.GroupLog(NOBODY, stop=threading.Event())
    for attempt in (1, 2):
        with pytest.raises(KafkaUnavailableError):
            log.open()
        assert len(made) == attempt
