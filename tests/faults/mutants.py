"""Guards taken away on purpose, one at a time, so that a check that cannot fail is found.

Nothing in the product knows of this, see `hook.py`. Only the standard library is imported here, since every process of
the stack runs it.
"""

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.hook import Patch
from tests.faults.plan import Fault


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """What is broken, how, under which faults it must show, and which checks may be the ones that find it."""

    what: str
    patches: dict[str, Patch]
    faults: tuple[Fault, ...]
    caught_by: frozenset[str]
    hurry: bool = False


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


def _head_first(module: Any) -> None:
    """The head of a round is written first, and recovery takes its word for it."""
    written, restored = module.Rounds._written, module._restored

    def backwards(*arguments: Any) -> Any:
        return iter(list(written(*arguments))[::-1])

    def trusting(pieces: Any) -> Any:
        if ("head", 0) not in pieces:
            return None
        head = module.msgspec.msgpack.decode(pieces["head", 0], type=module.Head)
        found: dict[tuple[str, int], bytes] = {}
        for part, count in head.pieces.items():
            bodies = [pieces[part, index] for index in range(count) if (part, index) in pieces]
            found |= {(part, index): body for index, body in enumerate(bodies)}
            head.pieces[part] = len(bodies)
        return restored({**found, ("head", 0): module.msgspec.msgpack.encode(head)})

    module.Rounds._written = backwards
    module._restored = trusting


def _reconcile_beside(module: Any) -> None:
    """Rollups are repaired while inserts run, until that has done harm."""
    put = module.Inserter.put
    from sinks.reconcile import _parameters, differences  # noqa: PLC0415  only where the sink is imported anyway
    from sinks.rollups import ROLLUPS, repair_sql  # noqa: PLC0415  as above

    def beside(self: Any, group: Any, rows: Any, *, in_doubt: bool) -> None:
        days = sorted(module.days_of(rows))
        other = module.Store(self._store._connect, self._store.database, name="beside")
        over = threading.Event()

        def repair() -> None:
            while not over.is_set():
                for rollup in ROLLUPS:
                    other.run(repair_sql(rollup), _parameters(days), do_not_merge_across_partitions_select_final=1)

        thread = threading.Thread(target=repair)
        if not getattr(self, "harmed", False):
            thread.start()
        put(self, group, rows, in_doubt=in_doubt)
        over.set()
        if thread.ident is not None:
            thread.join()
            self.harmed = any(differences(other, rollup, days) for rollup in ROLLUPS)
        other.close()

    module.Inserter.put = beside


def _nobody_hangs(module: Any) -> None:
    step = module.step

    def blind(*arguments: Any, **keywords: Any) -> Any:
        after, _hung = step(*arguments, **keywords)
        return after, []

    module.step = blind


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
    "head first": Mutant(
        what="a checkpoint's head is written before its pages, and recovery believes it",
        patches={"streams.burn.checkpoint": _head_first},
        faults=_several(("burn",), times=4),
        caught_by=frozenset({"I5", "I7"}),
        hurry=True,
    ),
    "reconcile beside an insert": Mutant(
        what="rollups are repaired while an insert runs",
        patches={"sinks.inserter": _reconcile_beside},
        faults=(Fault(after_sec=0, kind="peace", targets=("nobody",), hold_sec=20),),
        caught_by=frozenset({"I3"}),
    ),
    "no watchdog": Mutant(
        what="nobody ends a worker that lives and does nothing",
        patches={"deploy.stack.watchdog": _nobody_hangs},
        faults=(Fault(after_sec=12, kind="freeze", targets=("burn",)),),
        caught_by=frozenset({"I12"}),
    ),
    "read uncommitted": Mutant(
        what="the sink reads what was aborted",
        patches={"sinks.log_reader": _reads_uncommitted, "streams.lane_producer": _slow_commit_of_lanes},
        faults=_several(("rating",), times=6),
        caught_by=frozenset({"I1", "I3"}),
    ),
}
