"""The emitter with a spool: what `emit` returned for arrives, though the broker stands still and the emitter dies.

Long because each test brings the program that it kills.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from burnline_client import EmitterStats, QueueFullError, UndeliveredError, UsageEmitter, UsageFields, emitter_wire
from deploy.stack.kafka_broker import running_kafka
from deploy.stack.ports import free_port
from streams.ports import SourceRecord
from streams.rating.columns import Columns
from streams.rating.decoding import decode_all
from streams.rating.duplicates import Known, Verdict, Window
from streams.rating.identity import content_hashes, event_identities
from tests.contract.producers_reading import Record, make_topic, read_all
from tests.stack import installed_kafka

CLIENT = Path(__file__).parents[2] / "producers" / "client"
WHO: UsageFields = {"org": "acme", "provider": "openai", "model": "gpt-4o"}
NOWHERE = "127.0.0.1:1"


def start(program: str, *args: str | Path) -> subprocess.Popen[str]:
    """A process of its own that runs this program."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def emitting() -> Iterator[list[subprocess.Popen[str]]]:
    """The processes that a test starts; they are gone after it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


EMIT_FOR_EVER = """
import itertools, sys, threading
from burnline_client import UsageEmitter
usage = UsageEmitter(bootstrap_servers=sys.argv[1], source="svc", spool_dir=sys.argv[2],
                     defaults={"org": "acme", "provider": "openai", "model": "gpt-4o"})
for n in itertools.count():
    print(usage.emit(team=f"t{n % 7}", input_tokens=n), flush=True)
    threading.Event().wait(0.002)
"""


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines that it prints."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def counted(records: list[Record]) -> list[str]:
    """The ids that rating counts of these records, partition by partition, copies left out by its duplicate window."""
    found: list[str] = []
    for partition in {record.partition for record in records}:
        some = [record for record in records if record.partition == partition]
        columns = Columns(decode_all([SourceRecord(at, 0, None, one.value, ()) for at, one in enumerate(some)]))
        revisions = np.ones(len(some), np.uint32)
        known = Known(event_identities(columns), revisions, columns.event_us, content_hashes(columns))
        verdicts, marks = Window(250_000).admit(known)
        assert set(verdicts.tolist()) <= {Verdict.COUNTED, Verdict.COPY}
        assert not marks.any()
        found += [columns.id[row] for row in range(len(some)) if verdicts[row] == Verdict.COUNTED]
    return found


@pytest.mark.real
def test_what_emit_returned_for_counts_once_though_broker_stands_still_and_emitter_is_killed(
    tmp_path: Path, emitting: list[subprocess.Popen[str]]
) -> None:
    """While the broker is paused the emitter goes on and is killed; the next one sends the rest; all counts once."""
    spool = tmp_path / "spool"
    with running_kafka(tmp_path / "kafka", installed_kafka()) as broker:
        make_topic(broker.bootstrap_servers, "usage.events")
        emitting.append(start(EMIT_FOR_EVER, broker.bootstrap_servers, spool))
        returned = lines(emitting[0], 300)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            returned += lines(emitting[0], 600)
            emitting[0].kill()
            assert emitting[0].stdout is not None
            returned += emitting[0].stdout.read().split()
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        with UsageEmitter(bootstrap_servers=broker.bootstrap_servers, source="svc", spool_dir=spool) as usage:
            assert usage.flush(60) == 0
            assert usage.stats.adopted >= 600
        ids = counted(read_all(broker.bootstrap_servers, "usage.events"))
    assert len(ids) == len(set(ids))
    assert set(returned) - set(ids) == set()
    assert len(set(ids) - set(returned)) <= 1, "only the one whose `emit` was under way may be there as well"
    assert list(spool.iterdir()) == []


def test_without_a_broker_close_leaves_the_rest_to_the_next_emitter(tmp_path: Path) -> None:
    """`close` raises nothing and loses nothing: the events stand on disk, and the next emitter finds them."""
    with UsageEmitter(
        bootstrap_servers=NOWHERE, source="svc", defaults=WHO, spool_dir=tmp_path, close_timeout_sec=0.1
    ) as usage:
        for _ in range(20):
            usage.emit(output_tokens=1)
        assert usage.flush(0.1) == 20
    assert (usage.stats.emitted, usage.stats.waiting, usage.stats.undelivered) == (20, 20, 0)
    after = UsageEmitter(bootstrap_servers=NOWHERE, source="svc", spool_dir=tmp_path)
    assert after.flush(0.5) == 20
    after.close(0)
    assert after.stats.adopted == 20


def fill(usage: UsageEmitter, count: int) -> None:
    """So many events are emitted while no broker is there."""
    for number in range(count):
        usage.emit(id=f"e-{number}", output_tokens=1)


def test_a_full_disk_and_a_full_memory_raise_nothing_in_the_callers_path(tmp_path: Path) -> None:
    """Events go to disk, then to memory, then are dropped: counted, told one by one, and raised by `close` alone."""
    lost: list[str] = []
    troubles: list[str] = []
    usage = UsageEmitter(
        bootstrap_servers=NOWHERE,
        source="svc",
        defaults=WHO,
        spool_dir=tmp_path,
        spool_max_bytes=1000,
        config={"queue.buffering.max.messages": 8},
        on_error=lambda event_id, _reason: lost.append(event_id),
        on_trouble=troubles.append,
    )
    fill(usage, 20)
    stats = usage.stats
    assert stats.emitted + stats.dropped == 20
    assert min(stats.unspooled, stats.dropped, stats.emitted - stats.unspooled) > 0
    assert len(lost) == stats.dropped
    assert any("the spool holds" in text and "at most 1000 bytes" in text for text in troubles)
    assert stats.spool_bytes <= 1000
    with pytest.raises(UndeliveredError) as error:
        usage.close(0.1)
    assert error.value.count == stats.dropped + stats.unspooled == len(lost)
    assert usage.stats.waiting == stats.emitted - stats.unspooled


def test_who_asks_for_an_exception_gets_one(tmp_path: Path) -> None:
    """`when_full="raise"` raises at once, with the reason, when neither disk nor memory has room."""
    usage = UsageEmitter(
        bootstrap_servers=NOWHERE,
        source="svc",
        defaults=WHO,
        spool_dir=tmp_path,
        spool_max_bytes=1000,
        when_full="raise",
        config={"queue.buffering.max.messages": 8},
    )
    with pytest.raises(QueueFullError, match="the queue is full: the spool holds"):
        fill(usage, 20)
    with pytest.raises(UndeliveredError):
        usage.close(0)


DISK_WITHOUT_ROOM = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # as a disk that is full after 2,000 bytes
from burnline_client import UsageEmitter
told = []
usage = UsageEmitter(bootstrap_servers="127.0.0.1:1", source="svc", spool_dir=sys.argv[1], on_trouble=told.append,
                     defaults={"org": "acme", "provider": "openai", "model": "gpt-4o"})
for n in range(50):
    usage.emit(id=str(n), tags={"n": "x" * 500})
stats = usage.stats
print(json.dumps([stats.emitted, stats.unspooled, stats.dropped, stats.disk_errors, stats.disk_trouble, len(told)]))
"""


def test_a_real_disk_that_takes_no_more_is_counted(tmp_path: Path, emitting: list[subprocess.Popen[str]]) -> None:
    """Writes that the system refuses leave the event in memory; the counters and one call of `on_trouble` say so."""
    emitting.append(start(DISK_WITHOUT_ROOM, tmp_path))
    emitted, unspooled, dropped, disk_errors, trouble, told = json.loads(lines(emitting[0], 1)[0])
    assert (emitted, dropped, trouble) == (50, 0, "File too large")
    assert unspooled == disk_errors > 40
    assert told >= 1


PARENT_DIES_CHILD_LIVES = """
import os, signal, sys
from burnline_client import UsageEmitter
usage = UsageEmitter(bootstrap_servers="127.0.0.1:1", source="svc", spool_dir=sys.argv[1],
                     defaults={"org": "acme", "provider": "openai", "model": "gpt-4o"})
for n in range(10):
    usage.emit()
child = os.fork()
if child:
    print(child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
signal.pause()
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_lives_on_does_not_hold_its_dead_parents_spool(
    tmp_path: Path, emitting: list[subprocess.Popen[str]]
) -> None:
    """After the parent is killed its events are adopted, though a child made by fork still runs."""
    emitting.append(start(PARENT_DIES_CHILD_LIVES, tmp_path))
    child = int(lines(emitting[0], 1)[0])
    try:
        emitting[0].wait(10)
        usage = UsageEmitter(bootstrap_servers=NOWHERE, source="svc", spool_dir=tmp_path)
        usage.flush(0.5)
        usage.close(0)
    finally:
        os.kill(child, signal.SIGKILL)
    assert usage.stats == EmitterStats(
        adopted=10, waiting=10, spool_bytes=usage.stats.spool_bytes, trouble=usage.stats.trouble
    )


def test_settings_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    """A slip of the pen in a choice, or a folder that cannot be one, is an error where the emitter is made."""
    with pytest.raises(ValueError, match="spool_sync='yes': choose one of always, interval, never"):
        UsageEmitter(bootstrap_servers=NOWHERE, source="s", spool_dir=tmp_path, spool_sync="yes")  # type: ignore[arg-type]  # the slip
    with pytest.raises(ValueError, match="when_full='block'"):
        UsageEmitter(bootstrap_servers=NOWHERE, source="s", when_full="block")  # type: ignore[arg-type]  # the slip
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        UsageEmitter(bootstrap_servers=NOWHERE, source="s", spool_dir=tmp_path / "file")


class EndedProducer:
    """librdkafka's producer after a fatal error: it takes nothing more."""

    def produce(self, *_args: object, **_kwargs: object) -> None:
        """Refuses."""
        raise KafkaException(KafkaError(KafkaError._FATAL, "the producer is fenced", fatal=True))

    def poll(self, _timeout: float) -> int:
        """Nothing is ever told."""
        return 0

    flush = poll

    def purge(self) -> None:
        """Nothing is there."""


def test_after_a_fatal_error_of_the_connection_a_new_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spooled event outlives the producer that ended: the next producer gets it."""
    made: list[object] = []

    def connect(*args: object, **kwargs: object) -> object:
        made.append(EndedProducer() if not made else Producer(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(emitter_wire, "Producer", connect)
    usage = UsageEmitter(bootstrap_servers=f"127.0.0.1:{free_port()}", source="s", defaults=WHO, spool_dir=tmp_path)
    usage.emit()
    while len(made) < 2 or not len(made[1]):  # type: ignore[arg-type]  # a Producer says how many it holds
        usage.flush(0.05)
    usage.close(0)
    assert (usage.stats.waiting, usage.stats.undelivered) == (1, 0)
