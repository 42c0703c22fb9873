"""The spool: events on disk until they are settled, oldest first, within a bound.

Laws
1. An event that `append` took is given by `take` of this spool, or, when this process dies, of the one that adopts it.
2. It leaves the disk only after it is settled (delivered, or refused for itself); a death before that gives it again.
3. The files never take more than `max_bytes`; what does not fit raises SpoolFullError and leaves no trace.
4. A damaged end of a file is cut and counted; all that stands whole before it is given.
Once all is settled no event is on disk: a death then repeats nothing. `append` may be called from any thread, `settle`
too; the rest belongs to one thread, the sender's.
Long because keeping, taking, clearing and adopting are one state under one lock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from burnline_client.errors import SpoolFullError
from burnline_client.spool_disk import SpoolFile, SpoolFolder
from burnline_client.spool_frames import FRAME_BYTES, MAGIC, MAX_BODY_BYTES, Record, frame, head, read_frames, read_head

_log = logging.getLogger("burnline_client")
Sync = Literal["always", "interval", "never"]
SEGMENT_BYTES = 4 * 1_048_576
"""A file is closed at this size; what a death repeats is at most what stands in files that hold unsettled events."""
SYNC_INTERVAL_SEC = 1.0
_CHUNK_BYTES = 256 * 1024
_ADOPT_AT_ONCE = 4


@dataclass(eq=False)
class Segment:
    """One file: where its events start, how far they were taken, how many were not and how many are not settled."""

    file: SpoolFile
    topic: str
    start: int
    read_at: int
    own: bool = True
    sealed: bool = False
    untaken: int = 0
    unsettled: int = 0


class Taken(NamedTuple):
    """An event that was taken from the spool and is to be settled."""

    segment: Segment
    record: Record


class Spool:
    """Events of one process on disk. `name_of_next()` names its files in order of creation."""

    def __init__(
        self, folder: SpoolFolder, *, topic: str, max_bytes: int, sync: Sync, name_of_next: Callable[[], str]
    ) -> None:
        self._folder = folder
        self._topic = topic
        self._max_bytes = max_bytes
        self._sync: Sync = sync
        self._name_of_next = name_of_next
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._active: Segment | None = None
        self._sealed_bytes = 0
        self._not_ours: set[str] = set()
        self._sync_fails = False
        self._synced_at_sec = float("-inf")
        self.adopted = 0
        self.cut_bytes = 0
        self.unreadable = 0
        self.disk_errors = 0

    @property
    def waiting(self) -> int:
        """How many events are not settled, taken or not."""
        return sum(segment.untaken + segment.unsettled for segment in list(self._segments))

    @property
    def size_bytes(self) -> int:
        """What the files take on disk."""
        active = self._active
        return self._sealed_bytes + (active.file.size if active is not None else 0)

    def append(self, record: Record) -> None:
        """The event is on disk. Raises: SpoolFullError, OSError: it is not; `disk_errors` counts the latter."""
        data = frame(record)
        with self._lock:
            try:
                segment = self._room_for(len(data))
                segment.file.append(data)
            except OSError:
                self.disk_errors += 1
                raise
            segment.untaken += 1
            if self._sync == "always":
                self._try_sync(segment)

    def _room_for(self, size: int) -> Segment:
        segment = self._active
        fits = segment is not None and (segment.file.size + size <= SEGMENT_BYTES or segment.file.size == segment.start)
        opening = b"" if fits else head(self._topic)
        if self.size_bytes + len(opening) + size > self._max_bytes:
            raise SpoolFullError(f"the spool holds {self.size_bytes} of at most {self._max_bytes} bytes")
        if fits and segment is not None:
            return segment
        file = self._folder.create(self._name_of_next())
        try:
            file.append(opening)
            if self._sync != "never":
                self._folder.sync()
        except OSError:
            file.remove()
            raise
        self._seal_active()
        self._active = Segment(file, self._topic, start=len(opening), read_at=len(opening))
        self._segments.append(self._active)
        return self._active

    def _seal_active(self) -> None:
        if self._active is not None:
            self._active.sealed = True
            self._sealed_bytes += self._active.file.size
            self._active = None

    def take(self) -> list[Taken]:
        """The next events, oldest first, some hundred kilobytes of them at most; none when all were taken."""
        for segment in list(self._segments):
            with self._lock:
                start, end = segment.read_at, segment.file.size
            if start == end:
                continue
            try:
                frames = read_frames(segment.file.read(start, min(_CHUNK_BYTES, end - start)))
                if not frames.records and not frames.damaged:
                    frames = read_frames(segment.file.read(start, min(MAX_BODY_BYTES + FRAME_BYTES, end - start)))
            except OSError:
                self.disk_errors += 1
                continue  # it is tried again at the next call; the others need not wait
            if not frames.records:
                self._give_up_rest(segment, start)
                continue
            with self._lock:
                segment.read_at = start + frames.size
                segment.untaken -= len(frames.records)
                segment.unsettled += len(frames.records)
            return [Taken(segment, record) for record in frames.records]
        return []

    def _give_up_rest(self, segment: Segment, start: int) -> None:
        """What cannot be read back although it was whole once (a failing disk) is counted; the file gets no more."""
        with self._lock:
            if segment is self._active:
                self._seal_active()
            lost, segment.untaken = segment.untaken, 0
            segment.read_at = segment.file.size
            self.unreadable += lost
        _log.error("%s: %d usage events cannot be read back from byte %d on", segment.file.path, lost, start)

    def settle(self, segment: Segment) -> None:
        """One event of this file needs no keeping any more."""
        with self._lock:
            segment.unsettled -= 1

    def tidy(self, now_sec: float) -> None:
        """Files whose events are all settled are gone, the current one is empty; what is due is synced."""
        with self._lock:
            for segment in list(self._segments):
                self._clear_if_settled(segment)
            pending = [segment for segment in self._segments if segment.file.synced < segment.file.size]
        if self._sync == "interval" and pending and now_sec - self._synced_at_sec >= SYNC_INTERVAL_SEC:
            self._synced_at_sec = now_sec
            for segment in pending:
                self._try_sync(segment)

    def _clear_if_settled(self, segment: Segment) -> None:
        if segment.unsettled or segment.untaken:
            return
        try:
            if segment.sealed:
                self._segments.remove(segment)
                self._sealed_bytes -= segment.file.size
                self._not_ours.add(segment.file.path.name)  # where it cannot be removed, it is not sent again
                segment.file.remove()
                self._not_ours.discard(segment.file.path.name)
            elif segment.file.size > segment.start:
                segment.file.cut(segment.start)
                segment.read_at = segment.start
        except OSError:
            self.disk_errors += 1

    def _try_sync(self, segment: Segment) -> None:
        try:
            segment.file.sync()
            self._sync_fails = False
        except OSError as error:
            self.disk_errors += 1
            if not self._sync_fails:
                _log.error("%s could not be synced: %s", segment.file.path, error)
            self._sync_fails = True

    def adopt(self) -> bool:
        """Some files of processes that died are ours, cut to their last whole event; whether there may be more."""
        skipped = set(self._not_ours)
        for _ in range(_ADOPT_AT_ONCE):
            try:
                file = self._folder.adopt(but=skipped)
            except OSError:
                self.disk_errors += 1
                return False
            if file is None:
                return False
            skipped.add(file.path.name)  # should it fail, the next look tries again
            self._try_take_over(file)
        return True

    def _try_take_over(self, file: SpoolFile) -> None:
        try:
            self._take_over(file)
        except OSError:
            self.disk_errors += 1
            file.close()

    def _take_over(self, file: SpoolFile) -> None:
        data = file.read(0, file.size)
        opening = read_head(data)
        if opening is None:
            self._leave_alone(file, data)
            return
        topic, start = opening
        frames = read_frames(data[start:])
        whole = start + frames.size
        if whole < file.size:
            cut_bytes = file.size - whole
            file.cut(whole)
            self.cut_bytes += cut_bytes
            _log.warning("%s: its last %d bytes are no whole event and are cut", file.path, cut_bytes)
        segment = Segment(file, topic, start, start, own=False, sealed=True, untaken=len(frames.records))
        with self._lock:
            self.adopted += segment.untaken
            self._sealed_bytes += file.size
            first_own = next((at for at, one in enumerate(self._segments) if one.own), len(self._segments))
            self._segments.insert(first_own, segment)

    def _leave_alone(self, file: SpoolFile, data: bytes) -> None:
        """A file whose owner died before its first event is removed; one that is not of this version stays."""
        if MAGIC.startswith(data[: len(MAGIC)]) and len(data) < len(MAGIC) + FRAME_BYTES + len(self._topic.encode()):
            file.remove()
            return
        self._not_ours.add(file.path.name)
        file.close()
        _log.error("%s is no spool file that this version can read; it is left as it is", file.path)

    def close(self) -> None:
        """The files are let go, synced unless told never to; settled ones are gone, others are for the next process."""
        with self._lock:
            self._seal_active()
            for segment in list(self._segments):
                self._clear_if_settled(segment)
            for segment in self._segments:
                if self._sync != "never" and segment.file.synced < segment.file.size:
                    self._try_sync(segment)
                segment.file.close()
