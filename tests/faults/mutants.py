"""Guards taken away on purpose, one at a time, so that a check that cannot fail is found.

Nothing in the product knows of this: `broken/sitecustomize.py` stands on the path of the stack's processes and changes
modules as they are imported. Only the standard library is imported here, since every process of the stack runs it.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from tests.faults.plan import Fault

Patch = Callable[[Any], None]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """What is broken, how, under which faults it must show, and which checks may be the ones that find it."""

    what: str
    patches: dict[str, Patch]
    faults: tuple[Fault, ...]
    caught_by: frozenset[str]


def _slow_commit_of_lanes(module: Any) -> None:
    """Leaves time to die between what was sent and its commit."""

    class Slow(module.AIOKafkaProducer):  # type: ignore[misc]  # a foreign class without types
        async def commit_transaction(self) -> None:
            await asyncio.sleep(0.25)
            await super().commit_transaction()

    module.AIOKafkaProducer = Slow


def _no_fence_in_lanes(module: Any) -> None:
    before = module.LaneProducer.__init__

    def init(self: Any, *, connection: Any, transactional_id: str, group: str) -> None:
        before(self, connection=connection, transactional_id=f"{transactional_id}-{os.getpid()}", group=group)

    module.LaneProducer.__init__ = init
    _slow_commit_of_lanes(module)


def _no_fence_in_sink(module: Any) -> None:
    before = module.GroupLog.__init__

    def init(self: Any, settings: Any, *, stop: Any, name: str = "sink") -> None:
        before(self, settings, stop=stop, name=f"{name}-{os.getpid()}")

    module.GroupLog.__init__ = init


def _position_apart(module: Any) -> None:
    commit = module.Lane._commit

    async def apart(self: Any, result: Any, *, next_offset: int) -> Any:
        source = module.TopicPartition(self._tools.kafka.topic(self.name.topic), self.name.partition)
        messages = module.to_messages(result.outputs, self._tools.kafka)
        await self._producer.commit(messages, {source: self.position})
        await asyncio.sleep(0.3)
        return await commit(self, replace(result, outputs=()), next_offset=next_offset)

    module.Lane._commit = apart


def _no_token(module: Any) -> None:
    insert = module.Store.insert

    def without(self: Any, table: str, rows: Any, *, token: str | None = None) -> Any:
        return insert(self, table, rows, token=None if token is None else f"{token}-{time.time_ns()}")

    module.Store.insert = without


def _no_reconcile(module: Any) -> None:
    def nothing(self: Any, rows: Any, *, reason: str) -> None:
        del self, rows, reason

    module.Inserter._reconcile = nothing


def _progress_first(module: Any) -> None:
    def store(self: Any, gathered: Any) -> None:
        if not gathered.rows():
            self._advance(gathered.spans, gathered.messages)
            return
        group, rows = self._group(gathered)
        self._advance(gathered.spans, gathered.messages)
        self._doors.patience.until_done(lambda: self._doors.log.commit(group=group, progress=self._to_say()))
        self._unsaid.clear()
        time.sleep(0.5)
        self._doors.inserter.put(group, rows, in_doubt=False)

    module.RatedWorker._store = store


def _own_clock(module: Any) -> None:
    hear = module.Clock.hear

    def by_the_wall(self: Any, lane: str, *, lanes: int, log_time_us: int) -> None:
        del log_time_us
        hear(self, lane, lanes=lanes, log_time_us=time.time_ns() // 1000)

    module.Clock.hear = by_the_wall


def _no_replay(module: Any) -> None:
    recover = module.BurnLane.recover

    async def without(self: Any, reader: Any, *, next_offset: int) -> int:
        await recover(self, reader, next_offset=next_offset)
        return next_offset

    module.BurnLane.recover = without


def _reads_uncommitted(module: Any) -> None:
    real = module.Consumer

    def consumer(config: Any, **more: Any) -> Any:
        return real({**config, "isolation.level": "read_uncommitted"}, **more)

    module.Consumer = consumer


ZOMBIE_SEC = 12.5


def _several(targets: Sequence[str], *, times: int, kind: str = "kill mid-write") -> tuple[Fault, ...]:
    hold_sec = ZOMBIE_SEC if kind == "zombie" else 0.0
    return tuple(
        Fault(
            after_sec=1 + 0.37 * number,
            kind=kind,
            targets=(targets[number % len(targets)],),
            hold_sec=hold_sec or 0.15 * number,
        )
        for number in range(times)
    )


MUTANTS: dict[str, Mutant] = {
    "no fence in the lanes": Mutant(
        what="a zombie's transactions are not refused",
        patches={"streams.lane_producer": _no_fence_in_lanes},
        faults=_several(("rating", "burn"), times=2, kind="zombie"),
        caught_by=frozenset({"I3", "I5", "I7", "I12"}),
    ),
    "no fence in the sink": Mutant(
        what="two sinks write side by side",
        patches={"sinks.group_log": _no_fence_in_sink},
        faults=_several(("sink",), times=1, kind="zombie"),
        caught_by=frozenset({"I3", "I12"}),
    ),
    "positions apart": Mutant(
        what="positions are committed after the outputs, in a transaction of their own",
        patches={"streams.lane": _position_apart},
        faults=_several(("burn", "rating"), times=6),
        caught_by=frozenset({"I1", "I3", "I5", "I7"}),
    ),
    "no token": Mutant(
        what="a repeated insert is not recognised, and nothing reconciles",
        patches={"sinks.store": _no_token, "sinks.inserter": _no_reconcile},
        faults=_several(("sink",), times=6),
        caught_by=frozenset({"I3"}),
    ),
    "progress before the insert": Mutant(
        what="the sink says that it has stored what it is about to store",
        patches={"sinks.rated": _progress_first},
        faults=_several(("sink",), times=5),
        caught_by=frozenset({"I1", "I2", "I4"}),
    ),
    "the worker's clock": Mutant(
        what="burn judges by its own clock, not by the log's",
        patches={"streams.burn.clock": _own_clock},
        faults=_several(("burn",), times=2),
        caught_by=frozenset({"I7"}),
    ),
    "no replay": Mutant(
        what="burn goes on from its checkpoint without the records after it",
        patches={"streams.burn.stage": _no_replay},
        faults=_several(("burn",), times=4),
        caught_by=frozenset({"I5", "I7"}),
    ),
    "read uncommitted": Mutant(
        what="the sink reads what was aborted",
        patches={"sinks.log_reader": _reads_uncommitted, "streams.lane_producer": _slow_commit_of_lanes},
        faults=_several(("rating",), times=6),
        caught_by=frozenset({"I1", "I3"}),
    ),
}


class _Patching(Loader):
    """Loads a module as it is, then breaks it."""

    def __init__(self, real: Loader, patch: Patch) -> None:
        self._real = real
        self._patch = patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real loader makes it."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the real loader fills it, then broken."""
        self._real.exec_module(module)
        self._patch(module)


class _Finder(MetaPathFinder):
    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The real module's, with a loader that breaks it."""
        spec = PathFinder.find_spec(name, path, target) if name in self._patches else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader, self._patches[name])
        return spec


def install(name: str) -> None:
    """Modules imported from now on are those of the mutant. Raises: KeyError: there is none of this name."""
    sys.meta_path.insert(0, _Finder(MUTANTS[name].patches))
