"""How an emitter stands, as numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EmitterStats:
    """Counts since the emitter was made. emitted + adopted = delivered + undelivered + unreadable + waiting.

    `emitted`: taken by `emit`. `adopted`: found in the spool files of processes that died. `undelivered`: taken, then
    given up. `dropped`: found no room anywhere (`when_full="drop"`). `waiting`: not acknowledged yet. `unspooled`: of
    the emitted, those that the disk did not take and that were kept in memory only. `unreadable`: were on disk and
    cannot be read back. `cut_bytes`: ends of files that a crash left incomplete. `disk_errors`: calls that failed.
    `trouble` and `disk_trouble`: what Kafka and the disk complain of now, empty when they work.
    """

    emitted: int = 0
    adopted: int = 0
    delivered: int = 0
    undelivered: int = 0
    dropped: int = 0
    waiting: int = 0
    unspooled: int = 0
    unreadable: int = 0
    spool_bytes: int = 0
    cut_bytes: int = 0
    disk_errors: int = 0
    trouble: str = ""
    disk_trouble: str = ""
