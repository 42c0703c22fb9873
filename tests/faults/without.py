"""What is done to modules of the product to take a guard away; `mutants.py` says which guard each of them is.

Only the standard library is imported here, since every process of the stack runs it.
"""

import asyncio
import os
import time
from dataclasses import replace
from typing import Any


def slow_commit_of_lanes(module: Any, *, seconds: float = 0.25) -> None:
    """Leaves time to die between what was sent and its commit."""

    class Slow(module.AIOKafkaProducer):  # type: ignore[misc]  # a foreign class without types
        async def commit_transaction(self) -> None:
            await asyncio.sleep(seconds)
            await super().commit_transaction()

    module.AIOKafkaProducer = Slow


def no_fence_in_lanes(module: Any) -> None:
    """Each process has transactional ids of its own; commits take long, and may take longer than a zombie is away."""
    module.TRANSACTION_TIMEOUT_SEC = 60
    before = module.LaneProducer.__init__

    def init(self: Any, *, connection: Any, transactional_id: str) -> None:
        before(self, connection=connection, transactional_id=f"{transactional_id}-{os.getpid()}")

    module.LaneProducer.__init__ = init
    slow_commit_of_lanes(module)


def hears_late_of_its_seat(module: Any) -> None:
    """A worker hears three seconds late that its seat is another's, as between two heartbeats."""
    send = module.Seat.send

    async def late(self: Any, request: Any) -> Any:
        fail = self._fail
        self._fail = lambda error: asyncio.get_running_loop().call_later(3, fail, error)
        try:
            return await send(self, request)
        finally:
            self._fail = fail

    module.Seat.send = late


def no_fence_in_sink(module: Any) -> None:
    """Each sink has a transactional id of its own."""
    before = module.GroupLog.__init__

    def init(self: Any, settings: Any, *, stop: Any, name: str = "sink") -> None:
        before(self, settings, stop=stop, name=f"{name}-{os.getpid()}")

    module.GroupLog.__init__ = init


def position_apart(module: Any) -> None:
    """Outputs first, then progress in a transaction of its own."""
    commit = module.Lane._commit

    async def apart(self: Any, result: Any, *, next_offset: int, of: Any = ()) -> Any:
        await self._producer.commit(module.to_messages(result.outputs, self._tools.kafka))
        await asyncio.sleep(0.3)
        return await commit(self, replace(result, outputs=()), next_offset=next_offset, of=of)

    module.Lane._commit = apart


def no_token(module: Any) -> None:
    """Each insert has a token that no other has."""
    insert = module.Store.insert

    def without(self: Any, table: str, rows: Any, *, token: str | None = None) -> Any:
        return insert(self, table, rows, token=None if token is None else f"{token}-{time.time_ns()}")

    module.Store.insert = without


def no_reconcile(module: Any) -> None:
    """Rollups are never compared with the ledger."""

    def nothing(self: Any, rows: Any, *, reason: str) -> None:
        del self, rows, reason

    module.Inserter._reconcile = nothing


def progress_first(module: Any) -> None:
    """The sink says that it has stored what it is about to store."""

    def store(self: Any, gathered: Any) -> None:
        if not gathered.rows():
            self._advance(gathered.spans, gathered.messages)
            return
        group, rows, _, _ = self._group(gathered)
        self._advance(gathered.spans, gathered.messages)
        self._doors.patience.until_done(lambda: self._doors.log.commit(group=group, progress=self._to_say()))
        self._unsaid.clear()
        time.sleep(0.5)
        self._doors.inserter.put(group, rows, in_doubt=False)

    module.RatedWorker._store = store


def adjustments_after_the_insert(module: Any) -> None:
    """What a group leads to on `usage.adjustments` is said in a transaction of its own, after its insert."""

    def store(self: Any, gathered: Any) -> None:
        if gathered.rows():
            group, rows, resolution, replaced = self._group(gathered)
            opened = self._doors.opener.opened
            signed = module.signed_rows(group.group_id, gathered.messages, resolution, replaced, opened=opened)
            log, progress, patience = self._doors.log, self._to_say(), self._doors.patience
            patience.until_done(lambda: log.commit(group=group, progress=progress))
            self._unsaid.clear()
            self._doors.inserter.put(group, rows, in_doubt=False, replaced=resolution.replaced)
            time.sleep(1.0)
            patience.until_done(lambda: log.commit(group=None, progress=(), adjustments=signed))
        self._advance(gathered.spans, gathered.messages)

    module.RatedWorker._store = store


def own_clock(module: Any) -> None:
    """Burn hears the time of its own machine."""
    hear = module.Clock.hear

    def by_the_wall(self: Any, lane: str, *, lanes: int, log_time_us: int) -> None:
        del log_time_us
        hear(self, lane, lanes=lanes, log_time_us=time.time_ns() // 1000)

    module.Clock.hear = by_the_wall


def no_replay(module: Any) -> None:
    """Burn goes on from its checkpoint as if nothing came after it."""
    recover = module.BurnLane.recover

    async def without(self: Any, reader: Any, *, next_offset: int) -> int:
        await recover(self, reader, next_offset=next_offset)
        return next_offset

    module.BurnLane.recover = without


def reads_uncommitted(module: Any) -> None:
    """The sink's reader takes records of transactions that were aborted."""
    real = module.Consumer

    def consumer(config: Any, **more: Any) -> Any:
        return real({**config, "isolation.level": "read_uncommitted"}, **more)

    module.Consumer = consumer


def head_first(module: Any) -> None:
    """The head of a round is written first, and recovery takes its word for it."""
    written, restored = module.Rounds._written, module._restored

    def backwards(*arguments: Any) -> Any:
        return iter(list(written(*arguments))[::-1])

    def trusting(pieces: Any, kept: Any) -> Any:
        if ("head", 0) not in pieces:
            return None
        head = module.msgspec.msgpack.decode(pieces["head", 0], type=module.Head)
        found: dict[tuple[str, int], bytes] = {}
        for part, count in head.pieces.items():
            bodies = [pieces[part, index] for index in range(count) if (part, index) in pieces]
            found |= {(part, index): body for index, body in enumerate(bodies)}
            head.pieces[part] = len(bodies)
        return restored({**found, ("head", 0): module.msgspec.msgpack.encode(head)}, kept)

    module.Rounds._written = backwards
    module._restored = trusting


def reconcile_beside(module: Any) -> None:
    """Each group's days are repaired beside its insert: the ledger was read before it, the rollups are read after it.

    That is the order in which such a repair does harm; two threads that race meet it once in thousands of inserts.
    """
    put = module.Inserter.put
    from sinks.reconcile import _parameters  # noqa: PLC0415  only where the sink is imported anyway
    from sinks.rollups import ROLLUPS, _both_sides, repair_sql  # noqa: PLC0415  as above
    from sinks.store import FINAL  # noqa: PLC0415  as above

    def beside(self: Any, group: Any, rows: Any, *, in_doubt: bool) -> None:
        parameters = _parameters(sorted(module.days_of(rows))) | {"life": self._store.life_id}
        repairs = []
        for rollup in ROLLUPS:
            ledger, _stored = _both_sides(rollup).split(" UNION ALL ")
            read = f"before_{group.epoch}_{group.attempt}_{rollup.store}"
            self._store.run(f"CREATE OR REPLACE TABLE {read} ENGINE = Memory AS {ledger}", parameters, **FINAL)
            repairs.append(repair_sql(rollup).replace(ledger, f"SELECT * FROM {read}"))
        put(self, group, rows, in_doubt=in_doubt)
        for number, repair in enumerate(repairs):
            token = f"beside-{group.group_id}-{number}"
            self._store.run(repair, parameters, **FINAL | {"insert_deduplication_token": token})

    module.Inserter.put = beside


def nobody_hangs(module: Any) -> None:
    """The watchdog sees nobody hang."""
    step = module.step

    def blind(*arguments: Any, **keywords: Any) -> Any:
        after, _hung = step(*arguments, **keywords)
        return after, []

    module.step = blind
