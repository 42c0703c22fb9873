"""Places between the numbered steps of each loop, where a process can be made to die, to hang or to fail.

Only the standard library is imported here, since every process of the stack runs it (see `hook.py`).
A point is armed by a file `<part>.<number>` in a directory; who arrives there takes the file away and does what it
says, so that its successor lives. Nothing is patched into processes of a stack without such a directory.
"""

import asyncio
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Literal

When = Literal["before", "after"]
Given = Callable[[tuple[Any, ...], Mapping[str, Any]], bool]
WORK, START = "work", "start"


@dataclass(frozen=True, kw_only=True)
class Point:
    """Before or after each call of a function of the product, where `given` holds of its arguments.

    `reach` says how one gets there: by work alone, at the next start, or at the start after a death at another point.
    """

    part: str
    name: str
    module: str
    function: str
    when: When
    given: Given | None = None
    reach: str = WORK


def _any(_arguments: tuple[Any, ...], _keywords: Mapping[str, Any]) -> bool:
    return True


def _has_pages(arguments: tuple[Any, ...], _keywords: Mapping[str, Any]) -> bool:
    return _checkpoint(arguments) == "pages"


def _has_head(arguments: tuple[Any, ...], _keywords: Mapping[str, Any]) -> bool:
    return _checkpoint(arguments) == "head"


def _checkpoint(arguments: tuple[Any, ...]) -> str:
    """What a result to commit carries of a checkpoint's round."""
    keys = [output.key for output in arguments[1].outputs if output.topic == "internal.checkpoints"]
    return "" if not keys else "head" if any(b"|head|" in key for key in keys) else "pages"


def _replays(arguments: tuple[Any, ...], _keywords: Mapping[str, Any]) -> bool:
    return not arguments[0].caught_up()


def _records_group(_arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    return keywords.get("group") is not None


def _says_progress(_arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    return keywords.get("group") is None


def _into_ledger(arguments: tuple[Any, ...], _keywords: Mapping[str, Any]) -> bool:
    return bool(arguments[1] == "usage_events_store")


def _part_of_several(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    return _into_ledger(arguments, keywords) and str(keywords.get("token")).endswith("/1")


def _into_signals(arguments: tuple[Any, ...], _keywords: Mapping[str, Any]) -> bool:
    return arguments[1] not in {"usage_events_store", "reconciliations_store"}


_LANE = "streams.lane"
_LANES = "streams.lanes"
_RECORDED = "streams.recorded"
_PRODUCER = "streams.lane_producer"
_STAGES = {
    "rating": ("streams.rating.stage", "RatingLane.step"),
    "burn": ("streams.burn.stage", "BurnLane.step"),
    "patterns": ("streams.patterns.stage", "PatternsLane.step"),
}
_RATED = "sinks.rated"
_LOG = "sinks.group_log"
_SIGNALS = "sinks.signals"


def _lane_points(part: str) -> list[Point]:
    point = partial(Point, part=part)
    start = partial(point, reach=START)
    module, step = _STAGES[part]
    return [
        point(name="a batch came, before its chain is checked", module=_LANE, function="Lane._take", when="before"),
        point(name="chain checked, before policies are waited for", module=_LANE, function="Lane._step", when="before"),
        start(name="before its death is counted", module=_LANE, function="Lane._mark", when="before"),
        start(name="counted, before it is tried", module=_LANE, function="Lane._mark", when="after"),
        point(name="policies there, before the step", module=module, function=step, when="before"),
        point(name="after the step", module=_LANE, function="Lane._step", when="after"),
        point(name="before the transaction", module=_PRODUCER, function="LaneProducer._commit", when="before"),
        point(
            name="all sent, before the commit",
            module=_PRODUCER,
            function="AIOKafkaProducer.commit_transaction",
            when="before",
        ),
        point(name="committed, before it is known", module=_PRODUCER, function="LaneProducer.commit", when="after"),
        point(name="after the commit", module=_LANE, function="Lane._take", when="after"),
        start(name="before the fence", module=_PRODUCER, function="LaneProducer.start", when="before"),
        start(name="fenced, before positions", module=_RECORDED, function="RecordedPositions.progress", when="before"),
        start(name="positions read", module=_RECORDED, function="RecordedPositions.progress", when="after"),
        start(name="before it recovers", module=_LANES, function="Lanes._logic", when="before"),
        start(name="recovered, before its gate", module=_LANES, function="Lanes._logic", when="after"),
        start(name="gate open, before it runs", module=_LANE, function="Lane.run", when="before"),
    ]  # fmt: skip


def _burn_points() -> list[Point]:
    point = partial(Point, part="burn", module=_LANE)
    return [
        point(name="in the replay", function="Lane._step", when="after", given=_replays, reach=START),
        point(name="before pages are committed", function="Lane._commit", when="before", given=_has_pages),
        point(name="pages committed, before the head", function="Lane._commit", when="after", given=_has_pages),
        point(name="before the head is committed", function="Lane._commit", when="before", given=_has_head),
        point(name="head committed", function="Lane._commit", when="after", given=_has_head),
    ]


RECORDED = "recorded, before the insert"


def _sink_points() -> list[Point]:
    point = partial(Point, part="sink")
    log = partial(point, module=_LOG, function="GroupLog.commit")
    store = partial(point, module="sinks.store", function="Store.insert")
    return [
        point(name="before look-ups", module="sinks.inserter", function="Inserter.resolve", when="before"),
        point(name="looked up, before the record", module="sinks.inserter", function="Inserter.resolve", when="after"),
        log(name="all gathered, before the record", when="before", given=_records_group),
        log(name=RECORDED, when="after", given=_records_group),
        store(name="before an insert", when="before", given=_into_ledger),
        store(name="between two parts", when="before", given=_part_of_several),
        store(name="inserted, before the sink knows", when="after", given=_into_ledger),
        point(name="stored, before its progress moves", module=_RATED, function="RatedWorker._advance", when="before"),
        log(name="before its progress is said", when="before", given=_says_progress),
        log(name="progress said", when="after", given=_says_progress),
        point(name="start: before the fence", module=_LOG, function="GroupLog.open", when="before", reach=START),
        point(name="start: fenced, before positions", module=_LOG, function="GroupLog.open", when="after", reach=START),
        point(name="start: before a repetition", module=_RATED, function="RatedWorker._repeat", when="before",
              reach=RECORDED),
        point(name="repeating: recorded anew", module="sinks.inserter", function="Inserter.put", when="before",
              reach=RECORDED),
        point(name="repeating: inserted, before the check", module="sinks.inserter", function="Inserter._heal",
              when="before", reach=RECORDED),
        point(name="repeating: checked, before rollups", module="sinks.inserter", function="Inserter._reconcile",
              when="before", reach=RECORDED),
        point(name="repeating: rollups equal", module="sinks.inserter", function="Inserter._reconcile", when="after",
              reach=RECORDED),
        store(name="signals: before an insert", when="before", given=_into_signals),
        store(name="signals: inserted", when="after", given=_into_signals),
        point(name="signals: before their progress", module=_SIGNALS, function="SignalWorker._say", when="before"),
        point(name="signals: progress said", module=_SIGNALS, function="SignalWorker._say", when="after"),
    ]  # fmt: skip


ALL: tuple[Point, ...] = (
    *_lane_points("rating"),
    *_lane_points("burn"),
    *_burn_points(),
    *_lane_points("patterns"),
    *_sink_points(),
)
POINTS: dict[str, Point] = {f"{point.part}: {point.name}": point for point in ALL}
DELIVER = Point(part="rating", name="the agent delivers", module=_LANES, function="Lanes.deliver", when="before")
"""Where an agent can be made to fail at every message."""


def path_of(directory: Path, point: Point) -> Path:
    """The file that arms a point."""
    return directory / f"{point.part}.{''.join(c if c.isalnum() else '-' for c in point.name)}"


def _part() -> str:
    """Whose process this is."""
    program = Path(sys.argv[0]).parent.name
    return sys.argv[1] if program == "streams" and len(sys.argv) > 1 else {"sinks": "sink"}.get(program, program)


def arrive(directory: Path, point: Point, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str:
    """What is to be done here: '' nothing, 'wedge' hang for ever. Dies, or fails, where the point is armed so."""
    path = path_of(directory, point)
    if not path.exists() or _part() != point.part or not (point.given or _any)(arguments, keywords):
        return ""
    try:
        what, _, pid = path.read_text().partition(" ")
        if what == "raise":
            if pid in {"", str(os.getpid())}:
                raise RuntimeError(f"failpoint: {point.name}")
            return ""
        path.unlink()
    except FileNotFoundError:
        return ""
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return what


def _patched(directory: Path, point: Point, module: Any) -> None:
    owner_name, _, attribute = point.function.rpartition(".")
    owner = getattr(module, owner_name)
    real = getattr(owner, attribute)

    @wraps(real)
    async def later(*arguments: Any, **keywords: Any) -> Any:
        if point.when == "before" and arrive(directory, point, arguments, keywords):
            await asyncio.Event().wait()
        result = await real(*arguments, **keywords)
        if point.when == "after" and arrive(directory, point, arguments, keywords):
            await asyncio.Event().wait()
        return result

    @wraps(real)
    def now(*arguments: Any, **keywords: Any) -> Any:
        if point.when == "before" and arrive(directory, point, arguments, keywords):
            threading.Event().wait()
        result = real(*arguments, **keywords)
        if point.when == "after" and arrive(directory, point, arguments, keywords):
            threading.Event().wait()
        return result

    setattr(owner, attribute, later if inspect.iscoroutinefunction(real) else now)


def patches_of(directory: Path) -> dict[str, list[Callable[[Any], None]]]:
    """What is done to each module, so that its points are there."""
    found: dict[str, list[Callable[[Any], None]]] = {}
    seen: set[tuple[str, str]] = set()
    for point in (*ALL, DELIVER):
        if (point.part, point.name) not in seen:
            seen.add((point.part, point.name))
            found.setdefault(point.module, []).append(partial(_patched, directory, point))
    return found
