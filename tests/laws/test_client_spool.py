"""The emitter's spool: whatever dies or fills up, what `append` returned for is delivered, and nothing else.

Long because every law tells its own story of what may go wrong.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnline_client import spool as spool_module
from burnline_client.errors import SpoolFullError
from burnline_client.spool_disk import _locked
from burnline_client.spool_frames import MAGIC, Record, frame, head, read_frames, read_head
from burnline_client.spool_sender import WINDOW_BYTES
from tests.spool_world import TOPIC, Broker, Process

records = st.builds(Record, st.text(max_size=8), st.text(max_size=8), st.binary(max_size=200))


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files end after a few events, so that a short story has many."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 300)
    monkeypatch.setattr(spool_module, "_CHUNK_BYTES", 100)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def event(number: int, size: int = 40) -> Record:
    """The event of this number."""
    return Record(f"e-{number}", "acme", f"{number}:".encode() + b"x" * size)


def ids(some: list[tuple[str, Record]]) -> list[str]:
    """The identities of what Kafka got."""
    return [record.event_id for _topic, record in some]


@given(st.lists(records, max_size=8), st.binary(max_size=30))
@example([], b"\x00" * 64)
def test_what_was_written_is_read_back_whatever_follows_it(some: list[Record], rest: bytes) -> None:
    """Frames are read in order up to the first bytes that are none; a run of zeros is none."""
    frames = read_frames(b"".join(map(frame, some)) + rest)
    assert frames.records == some
    assert frames.size == sum(len(frame(record)) for record in some)


@given(st.lists(records, min_size=1, max_size=6), st.data())
def test_a_file_cut_anywhere_gives_a_prefix(some: list[Record], data: st.DataObject) -> None:
    """However many bytes are missing at the end, what is read are the first records, each as it was written."""
    whole = b"".join(map(frame, some))
    found = read_frames(whole[: data.draw(st.integers(0, len(whole)))])
    assert found.records == some[: len(found.records)]
    assert not found.damaged


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_changed_byte_is_seen(some: list[Record], data: st.DataObject) -> None:
    """No record is read that was not written, whichever byte the disk changed."""
    raw = bytearray(b"".join(map(frame, some)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    found = read_frames(bytes(raw)).records
    assert found == some[: len(found)]
    assert len(found) < len(some)


def test_a_head_says_its_topic_and_a_strange_one_nothing() -> None:
    """A file begins with the mark of its version and its topic."""
    assert read_head(head("eu.usage.events") + b"more") == ("eu.usage.events", len(head("eu.usage.events")))
    assert read_head(b"BLSPOOL2" + head("t")[8:]) is None
    assert read_head(MAGIC) is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.integers(0, 150)),
        st.tuples(st.just("step"), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("refuse"), st.integers(1, 3)),
        st.tuples(st.just("fill disk"), st.integers(0, 120)),
        st.tuples(st.just("free disk"), st.just(0)),
        st.tuples(st.just("broker"), st.booleans()),
        st.tuples(st.just("kill"), st.integers(0, 9)),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(steps)
@example([("emit", 9), ("fill disk", 20), ("emit", 90), ("free disk", 0), ("emit", 9), ("kill", 3)])
def test_what_append_returned_for_is_delivered_whatever_dies(story: list[tuple[str, int]]) -> None:  # noqa: C901  a story has many acts
    """Through kills with torn ends, full disks and a broker that goes away: delivered = taken, each byte of it.

    Twice only after a kill, and only what was not settled by then.
    """
    with tempfile.TemporaryDirectory() as name:
        broker = Broker()
        process = Process(Path(name), broker)
        taken: dict[str, Record] = {}
        now_sec, kills = 0.0, 0
        for number, (act, size) in enumerate(story):
            now_sec += 0.5
            if act == "emit":
                record = event(number, size)
                try:
                    process.spool.append(record)
                    taken[record.event_id] = record
                except OSError:
                    assert process.folder.free_bytes is not None
            elif act == "step":
                process.sender.step(now_sec)
            elif act == "answer":
                broker.answer(size)
            elif act == "refuse":
                broker.answer(size, KafkaError(KafkaError.NOT_ENOUGH_REPLICAS))
            elif act == "broker":
                broker.up = bool(size)
            elif act in {"fill disk", "free disk"}:
                process.folder.free_bytes = size if act == "fill disk" else None
            else:
                kills += 1
                process.folder.die()
                for path in list(Path(name).iterdir())[-1:]:
                    path.write_bytes(path.read_bytes() + frame(event(-1))[:size])  # the kill came within a write
                broker.under_way.clear()
                process = Process(Path(name), broker)
        broker.up, process.folder.free_bytes = True, None
        process.drain(now_sec)
        assert dict(zip(ids(broker.got), (record for _, record in broker.got), strict=True)) == taken
        if not kills:
            assert len(broker.got) == len(taken)
        process.spool.close()
        assert list(Path(name).iterdir()) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=30), st.integers(0, 10))
def test_order_is_kept_while_nothing_has_to_be_sent_again(answers: list[int], before: int) -> None:
    """Events of a dead process come first, then ours as they were emitted, however slowly Kafka answers."""
    with tempfile.TemporaryDirectory() as name:
        broker = Broker(room=3)
        dead = Process(Path(name), Broker(up=False))
        for number in range(before):
            dead.spool.append(event(number))
        dead.folder.die()
        process = Process(Path(name), broker)
        for number, count in enumerate(answers):
            process.spool.append(event(before + number))
            process.sender.step(0)
            broker.answer(count)
        process.drain()
        assert ids(broker.got) == [f"e-{number}" for number in range(before + len(answers))]


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 900), st.lists(st.integers(0, 200), max_size=20))
def test_the_bound_holds_and_what_does_not_fit_leaves_no_trace(max_bytes: int, sizes: list[int]) -> None:
    """The files never take more than `max_bytes`; a refused event is not delivered, a taken one is."""
    with tempfile.TemporaryDirectory() as name:
        process = Process(Path(name), Broker(), max_bytes=max_bytes)
        taken = []
        for number, size in enumerate(sizes):
            try:
                process.spool.append(event(number, size))
                taken.append(f"e-{number}")
            except SpoolFullError:
                pass
            on_disk = sum(path.stat().st_size for path in Path(name).iterdir())
            assert on_disk == process.spool.size_bytes <= max_bytes
        process.drain()
        assert ids(process.broker.got) == taken


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["always", "interval"]), st.lists(st.booleans(), max_size=20), st.data())
def test_a_power_loss_takes_only_what_was_not_synced(sync: str, ticks: list[bool], data: st.DataObject) -> None:
    """`always`: nothing that append returned for. `interval`: nothing that is older than a second."""
    with tempfile.TemporaryDirectory() as name:
        process = Process(Path(name), Broker(up=False), sync="always" if sync == "always" else "interval")
        now_sec, safe = 0.0, 0
        for number, tick in enumerate(ticks):
            process.spool.append(event(number))
            if tick:
                now_sec += 1.0
                process.sender.step(now_sec)
                safe = number + 1
        safe = len(ticks) if sync == "always" else safe
        process.folder.lose_power(lambda unsure: data.draw(st.integers(0, unsure)))
        after = Process(Path(name), Broker())
        after.drain()
        found = ids(after.broker.got)
        everything = [f"e-{number}" for number in range(len(ticks))]
        assert found == [one for one in everything if one in found]
        assert found[:safe] == everything[:safe]


def test_ten_minutes_without_a_broker_cost_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 events a second for ten simulated minutes: all wait on disk, few in memory too, then all arrive once."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 4 * 1_048_576)
    monkeypatch.setattr(spool_module, "_CHUNK_BYTES", 256 * 1024)
    process = Process(folder, Broker(up=False), sync="interval")
    most_bytes = 0
    for second in range(600):
        for number in range(20):
            process.spool.append(event(second * 20 + number, 1250))
        process.sender.step(float(second))
        most_bytes = max(most_bytes, sum(len(record.value) for _, record, _ in process.broker.under_way))
    assert (process.spool.waiting, process.broker.got) == (12_000, [])
    assert most_bytes <= WINDOW_BYTES + 2000
    process.broker.up = True
    process.drain(600.0)
    assert ids(process.broker.got) == [f"e-{number}" for number in range(12_000)]
    process.spool.close()
    assert list(folder.iterdir()) == []


def test_a_death_when_all_is_settled_repeats_nothing(folder: Path) -> None:
    """Delivered events are not on disk any more, so the next process has nothing to send."""
    process = Process(folder, Broker())
    for number in range(20):
        process.spool.append(event(number))
        process.drain(float(number))
    process.folder.die()
    after = Process(folder, Broker())
    after.drain()
    assert (len(process.broker.got), after.broker.got, after.spool.adopted) == (20, [], 0)
    assert len(list(folder.iterdir())) == 0


def test_two_living_processes_never_share_a_file(folder: Path) -> None:
    """What a living process holds nobody else takes; when it dies another living one sends it, at its next look."""
    one, other = Process(folder, Broker(up=False)), Process(folder, Broker())
    for number in range(30):
        (one if number % 2 else other).spool.append(event(number))
    other.drain(0.0)
    assert ids(other.broker.got) == [f"e-{number}" for number in range(0, 30, 2)]
    one.folder.die()
    other.drain(20.0)
    assert sorted(ids(other.broker.got)) == sorted(f"e-{number}" for number in range(30))


def test_a_file_that_its_last_owner_removed_is_nobodys(folder: Path) -> None:
    """Who opened a file just before it was removed gets its lock, and sees that there is nothing to own."""
    path = folder / "1.spool"
    with path.open("w") as opened:
        assert _locked(opened.fileno())
        path.unlink()
        assert not _locked(opened.fileno())


def test_events_go_to_the_topic_of_their_emitter_whoever_sends_them(folder: Path) -> None:
    """A file of a dead emitter says which topic its events were meant for."""
    dead = Process(folder, Broker(up=False), topic="eu.usage.events")
    dead.spool.append(event(1))
    dead.folder.die()
    process = Process(folder, Broker())
    process.spool.append(event(2))
    process.drain()
    assert {(topic, record.event_id) for topic, record in process.broker.got} == {
        ("eu.usage.events", "e-1"),
        (TOPIC, "e-2"),
    }


def test_a_file_of_a_newer_version_is_left_alone_and_an_empty_one_is_removed(folder: Path) -> None:
    """What cannot be read is not deleted; what a process left that died before its first event is."""
    strange, empty, torn = (folder / f"{name}.spool" for name in ("1", "2", "3"))
    strange.write_bytes(b"BLSPOOL9 and what we do not know")
    empty.touch()
    torn.write_bytes(head(TOPIC)[:-3])
    process = Process(folder, Broker())
    process.drain()
    assert list(folder.iterdir()) == [strange]


def test_bytes_that_a_disk_changed_are_counted_and_the_rest_goes_on(folder: Path) -> None:
    """Of a file of ours that rots, what stands before is sent, the rest is counted, later files are not held up."""
    process = Process(folder, Broker())
    for number in range(12):
        process.spool.append(event(number))
    rotten = min(folder.iterdir())
    raw = bytearray(rotten.read_bytes())
    raw[len(head(TOPIC)) + len(frame(event(0))) + 20] ^= 255
    rotten.write_bytes(bytes(raw))
    process.drain()
    per_file = process.spool.unreadable + 1
    assert per_file > 1
    assert ids(process.broker.got) == ["e-0", *(f"e-{number}" for number in range(per_file, 12))]


def test_only_a_refusal_of_the_event_itself_gives_it_up(folder: Path) -> None:
    """Too large is told and over; not authorised, no replicas, an unknown topic are tried again until they pass."""
    told: list[str] = []
    process = Process(folder, Broker())
    process.deliveries._on_error = lambda event_id, _reason: told.append(event_id)
    process.spool.append(event(1))
    for code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._ALL_BROKERS_DOWN):
        process.sender.step(process.sender._retry_at_sec + 1 if code != KafkaError.TOPIC_AUTHORIZATION_FAILED else 0.0)
        process.broker.answer(error=KafkaError(code))
        assert (told, process.spool.waiting) == ([], 1)
    process.sender.step(1e6)
    process.broker.answer(error=KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert (told, process.spool.waiting, process.deliveries.undelivered) == (["e-1"], 0, 1)
    process.drain()
    assert process.broker.got == []


def test_a_disk_that_does_not_sync_is_counted_and_stops_nothing(folder: Path) -> None:
    """The event is kept and sent; the failed sync is in `disk_errors`."""
    process = Process(folder, Broker(), sync="always")
    process.folder.sync_fails = True
    process.spool.append(event(1))
    process.drain()
    assert (ids(process.broker.got), process.spool.disk_errors) == (["e-1"], 1)
