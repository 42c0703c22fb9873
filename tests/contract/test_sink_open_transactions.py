"""The sink's positions against a real Kafka: another's open transaction hides none of them."""

import threading

import pytest
from confluent_kafka import Producer

from schemas.errors import KafkaUnavailableError
from schemas.progress import Progress
from sinks.group_log import GroupLog, stored_progress, word
from sinks.log_reader import LogReader, Record
from tests.sink_world import new_topics

pytestmark = pytest.mark.real
PLACE = ("internal.rated", 0)


def said(next_offset: int) -> Progress:
    """The sink's word on one partition."""
    return word(PLACE, next_offset, topic_id="")


def test_positions_are_not_read_while_a_transaction_may_hide_them(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was stopped in its transaction holds back what is read; an older position is never taken for ours.

    Rows would be gathered again under another name: rollups count twice, and copies are taken back twice.
    """
    settings = new_topics(kafka)
    log = GroupLog(settings, stop=threading.Event())
    log.open()
    log.commit(group=None, progress=[said(10)])
    stopped = Producer(settings.to_confluent() | {"transactional.id": f"{settings.group_prefix}stopped"})
    stopped.init_transactions(30)
    stopped.begin_transaction()
    stopped.produce(settings.topic("internal.progress"), b"", key=b"stopped", partition=0)
    stopped.flush(30)
    log.commit(group=None, progress=[said(20)])
    with LogReader(settings, name="test") as reader:
        with monkeypatch.context() as hurried:
            hurried.setattr("sinks.log_reader.TIMEOUT_SEC", 1.0)
            with pytest.raises(KafkaUnavailableError, match="the end"):
                stored_progress(reader)
        stopped.abort_transaction(30)
        assert stored_progress(reader)[PLACE].next_offset == 20


def test_neither_an_open_transaction_nor_a_marker_at_the_end_is_taken_for_a_connection_that_fails(kafka: str) -> None:
    """Who can read no further keeps its connection at every look, and what is committed then comes by the same one."""
    settings = new_topics(kafka)
    open_one = Producer(settings.to_confluent() | {"transactional.id": f"{settings.group_prefix}open"})
    open_one.init_transactions(30)
    open_one.begin_transaction()
    open_one.produce(settings.topic("internal.rated"), b"", partition=0)
    open_one.flush(30)
    with LogReader(settings, name="test", look_sec=0.2) as reader:
        asked = reader._consumer
        reader.assign({PLACE: 0})

        def look_thrice() -> None:
            looks = {reader._silence.looked_sec}
            while len(looks) < 4:
                reader.take(wait_sec=0.05)
                looks.add(reader._silence.looked_sec)

        look_thrice()
        open_one.commit_transaction(30)
        record = next(fact for fact in iter(lambda: reader.take(wait_sec=10), None) if isinstance(fact, Record))
        look_thrice()
        assert (record.offset, reader._consumer) == (0, asked)
