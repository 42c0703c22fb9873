"""Ends a worker whose consumer has died in silence, or whose topics are not what they were: it is started anew.

aiokafka's coordinator may wait for ever to rejoin its group after a broker's restart, and says nothing; Faust's own
detector only logs. Whether a lane moves on shows in `internal.progress`; this is about the consumer under the lanes.
Source: github.com/aio-libs/aiokafka/issues/1154 (2026-03).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from schemas.errors import FatalError, LogChangedError, TryAgainError
from streams.topic_facts import TopicsMissingError
from streams.transport import VitalSigns

SILENT_SEC = 60.0
TOPICS_LOOK_SEC = 10.0
_LOOK_SEC = 5.0


class Pulse:
    """Since when each sign of life has been missing. A sign that comes back, or a look without a broker, clears it."""

    def __init__(self) -> None:
        self._before: VitalSigns | None = None
        self._missing_since: dict[str, float] = {}

    def look(self, signs: VitalSigns | None, *, now_sec: float) -> str | None:
        """What has been missing for `SILENT_SEC`; None while all is well. `signs` is None where no broker answers."""
        missing = missing_signs(signs, self._before)
        self._before = signs
        self._missing_since = {sign: self._missing_since.get(sign, now_sec) for sign in missing}
        late = sorted(sign for sign, since in self._missing_since.items() if now_sec - since >= SILENT_SEC)
        return late[0] if late else None


def missing_signs(signs: VitalSigns | None, before: VitalSigns | None) -> frozenset[str]:
    """What does not move: the group is not rejoined, or a partition that has room is not fetched any more."""
    if signs is None:
        return frozenset()
    missing = {"the group is not rejoined"} if signs.rejoins else set()
    for partition, answered_ms in signs.answered_ms.items():
        if before is not None and before.answered_ms.get(partition) == answered_ms:
            missing.add(f"{partition.topic}/{partition.partition} is not fetched any more")
    return frozenset(missing)


async def watch_consumer(
    signs: Callable[[], VitalSigns],
    ask_broker: Callable[[], Awaitable[object]],
    *,
    fail: Callable[[BaseException], None],
) -> None:
    """Looks until it is cancelled; calls `fail` when a sign of life has been missing for too long."""
    pulse = Pulse()
    while True:
        await asyncio.sleep(_LOOK_SEC)
        seen: VitalSigns | None
        try:
            await ask_broker()
            seen = signs()
        except TryAgainError:
            seen = None
        late = pulse.look(seen, now_sec=asyncio.get_running_loop().time())
        if late is not None:
            fail(FatalError(f"{late}, though the broker answers, for {SILENT_SEC:g} s"))


class KnownTopics:
    """The ids of our topics when the process started. Clients go on with a new topic of an old name as if nothing was.

    A topic that is missing once may be a broker that is starting; missing twice in a row it is gone.
    """

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._ids = ids
        self._missing = False

    def changed(self, now: Mapping[str, str] | None) -> LogChangedError | None:
        """What is wrong after a look; `now` is None where topics are missing."""
        gone, self._missing = now is None and self._missing, now is None
        if gone:
            return LogChangedError("topics that we read or write were deleted")
        for topic, known in self._ids.items():
            found = known if now is None else now.get(topic, known)
            if found != known:
                return LogChangedError(f"{topic} was deleted and created anew: its id is {found}, it was {known}")
        return None


async def watch_topics(
    look: Callable[[], Awaitable[Mapping[str, str]]],
    known: KnownTopics,
    *,
    fail: Callable[[BaseException], None],
) -> None:
    """Looks at the topics' ids until it is cancelled; calls `fail` when one is not the one that it was."""
    while True:
        await asyncio.sleep(TOPICS_LOOK_SEC)
        try:
            error = known.changed(await look())
        except TopicsMissingError:
            error = known.changed(None)
        except TryAgainError:
            continue
        except FatalError as refused:
            fail(refused)
            return
        if error is not None:
            fail(error)
