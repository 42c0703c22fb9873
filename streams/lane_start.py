"""Where a lane begins to read, from what is recorded and what the log still holds. Pure."""

from dataclasses import dataclass

from schemas.errors import LogChangedError
from schemas.progress import Progress


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


def choose_start(where: str, progress: Progress | None, log: LogNow, *, committed: int | None) -> Start:
    """The stage's progress; the beginning of the log where there is none.

    The group's committed offset is said for whoever watches the group's lag; nothing begins there. It only tells a new
    stage from one whose progress was lost, which would count everything again.
    `where` names the partition in errors. Records below the beginning are counted as lost, never passed in silence.

    Raises: LogChangedError: progress is of another topic or was lost, or the topic ends below it.
    """
    if progress is None:
        if committed:
            raise LogChangedError(
                f"{where} was read up to about {committed}, but internal.progress does not know it: it was deleted and "
                f"created anew, or belongs to another stack; restore it, or give this stack a new group prefix and "
                f"topic prefix"
            )
        return Start(offset=log.begin, lost_records=0)
    _require_same(where, progress, now=log.topic_id, then=progress.topic_id)
    _require_same(log.state, progress, now=log.state_id, then=progress.state_id)
    position = progress.next_offset
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
