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
    """The partition as it is: its first offset, its end (the high watermark), the id of its topic."""

    begin: int
    end: int
    topic_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where to begin, and how many records between the recorded position and there the log does not hold any more."""

    offset: int
    lost_records: int


def choose_start(where: str, recorded: Recorded, log: LogNow) -> Start:
    """The higher of committed offset and progress; the beginning of the log where neither exists.

    `where` names the partition in errors. Records below the beginning are counted as lost, never passed in silence.

    Raises: LogChangedError: the topic is another one than the positions belong to, or ends below them.
    """
    progress = recorded.progress
    if progress is not None and progress.topic_id and log.topic_id and progress.topic_id != log.topic_id:
        raise LogChangedError(
            f"{where} was deleted and created anew: its id is {log.topic_id}, but the position "
            f"{progress.next_offset} of stage {progress.stage} belongs to id {progress.topic_id}; give this stack "
            f"a new group prefix and topic prefix, or restore the topic"
        )
    known = [
        offset
        for offset in (recorded.committed, None if progress is None else progress.next_offset)
        if offset is not None and offset >= 0
    ]
    if not known:
        return Start(offset=log.begin, lost_records=0)
    position = max(known)
    if position > log.end:
        raise LogChangedError(
            f"{where} ends at {log.end}, below the recorded position {position}: records that were counted are gone "
            f"from the log, or the topic was deleted and created anew"
        )
    return Start(offset=max(position, log.begin), lost_records=max(0, log.begin - position))
