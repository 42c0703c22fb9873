"""Where a lane begins to read, from what is recorded and what the log still holds. Pure."""

from dataclasses import dataclass

from schemas.errors import LogChangedError
from schemas.internal import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was said about a partition before: the group's committed offset and the stage's own progress."""

    committed: int | None
    progress: Progress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNow:
    """The partition as it is: its first offset, its end (the high watermark), the id of its topic.

    `state` is the topic of the stage's own state, where it has one, and `state_id` its id.
    """

    begin: int
    end: int
    topic_id: str
    state: str = ""
    state_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where to begin, and how many records between the recorded position and there the log does not hold any more."""

    offset: int
    lost_records: int


def choose_start(where: str, recorded: Recorded, log: LogNow) -> Start:
    """The stage's progress; without one the committed offset; the beginning of the log where neither exists.

    Both are of one transaction, but a broker may say an offset of a transaction that never was (Kafka's group
    coordinator after a restart, seen once): going on there would pass over what nobody counted.
    `where` names the partition in errors. Records below the beginning are counted as lost, never passed in silence.

    Raises: LogChangedError: the topic is another one than the positions belong to, or ends below them.
    """
    progress = recorded.progress
    if progress is not None:
        _require_same(where, progress, now=log.topic_id, then=progress.topic_id)
        _require_same(log.state, progress, now=log.state_id, then=progress.state_id)
    if progress is not None:
        position = progress.next_offset
    elif recorded.committed is not None and recorded.committed >= 0:
        position = recorded.committed
    else:
        return Start(offset=log.begin, lost_records=0)
    if position > log.end:
        raise LogChangedError(
            f"{where} ends at {log.end}, below the recorded position {position}: records that were counted are gone "
            f"from the log, or the topic was deleted and created anew"
        )
    return Start(offset=max(position, log.begin), lost_records=max(0, log.begin - position))


def _require_same(where: str, progress: Progress, *, now: str, then: str) -> None:
    if now and then and now != then:
        raise LogChangedError(
            f"{where} was deleted and created anew: its id is {now}, but the position {progress.next_offset} of stage "
            f"{progress.stage} on {progress.topic}/{progress.partition} belongs to id {then}; give this stack a new "
            f"group prefix and topic prefix, or restore the topic"
        )
