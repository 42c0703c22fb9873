"""A log of `internal.deltas` for measuring burn: many entities of one organisation, as rating's messages say them.

Columns are made at once, because a row at a time would take longer to make than burn takes to count it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import BUCKET_US, DELTA_SCHEMA, BatchHeaders, batch_header, to_arrow_bytes
from schemas.policies import Budget, InForce, Policies, key_of
from streams.ports import Output, SourceBatch, SourceRecord

Ints = npt.NDArray[np.int64]
ORG = "bench"
LANES = 4
KINDS = ("agent", "credential", "project", "user")
EACH = "each-user"
SEC = 1_000_000
NOBODY: Ints = np.zeros(0, np.int64)
MINUTE = 60 * SEC
_BUDGETS = ({"id": "all", "limit": "900000"}, {"id": EACH, "limit": "2000", "each": "user"})
_MICRO_PER_CALL = 9.2  # the log of about 10,000 micro-USD: a cent
_LATE_SHARE = 0.1


class Fixed:
    """The same policies since ever: a monthly budget of the organisation, and one for each user.

    Conforms to `streams.ports.PolicyLog`.
    """

    def __init__(self) -> None:
        budgets = [Budget.model_validate({"org": ORG, **told}) for told in _BUDGETS]
        self._policies = {key_of(one): InForce(policy=one, since=0, matched_since=0) for one in budgets}

    def latest(self) -> tuple[int, Policies]:
        """Offset 0."""
        return 0, self._policies

    def at(self, offset: int) -> Policies:
        """What is in force at any offset."""
        del offset
        return self._policies


class Kept:
    """Checkpoints in memory; conforms to `streams.ports.PartitionReader`."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.records = [SourceRecord(at, 0, out.key, out.value, out.headers) for at, out in enumerate(outputs)]

    async def read(self, topic: str, partition: int, *, from_offset: int = 0) -> Sequence[SourceRecord]:
        """All from an offset."""
        del topic, partition
        return self.records[from_offset:]

    async def read_last(self, topic: str, partition: int, *, records: int) -> Sequence[SourceRecord]:
        """The last ones."""
        del topic, partition
        return self.records[-records:]


class Load:
    """Makes one message after the other; entity i is of kind `i % 4`, and every fourth one, a user, has a budget."""

    def __init__(self, *, seed: int = 1) -> None:
        self.offset = 0
        self._dice = np.random.default_rng(seed)

    def say(
        self, log_us: int, numbers: Ints, *, lane: int = 0, clock: bool = True, event_us: int | None = None
    ) -> SourceBatch:
        """One message of a lane: a call of each of these entities just before (`event_us`, if given), some older.

        Without entities it is a tick. Without `clock` more is to follow before time moves on.
        """
        rows = _rows(np.unique(numbers), event_us or log_us, self._dice) if len(numbers) else None
        header = BatchHeaders(
            source_topic="usage.events",
            source_partition=lane,
            lanes=LANES,
            first_offset=self.offset,
            next_offset=self.offset + (rows is not None),
            log_time_us=log_us,
            policy_offset=0,
            tick=rows is None,
            rows=0 if rows is None else rows.num_rows,
            clock=clock,
            opened=0 if clock else -1,  # without a clock of its own it would be the sum of an opening
        )
        value = None if rows is None else to_arrow_bytes(rows)
        record = SourceRecord(self.offset, log_us, None, value, [batch_header(header)])
        self.offset += 1
        return SourceBatch("internal.deltas", 0, [record])

    def ticks(self, log_us: int) -> list[SourceBatch]:
        """Each lane says that it is at this time."""
        return [self.say(log_us, NOBODY, lane=lane) for lane in range(LANES)]

    def some(self, of: int, count: int) -> Ints:
        """So many different entities among the first ones."""
        return self._dice.choice(of, size=min(of, count), replace=False)


def _rows(numbers: Ints, at_us: int, dice: np.random.Generator) -> pa.RecordBatch:
    """The delta rows of these entities, of the users' budgets, of the organisation and its budget, sorted by key."""
    count = len(numbers)
    late = dice.random(count) < _LATE_SHARE
    back_us = np.where(late, dice.integers(0, 600, count), dice.integers(0, 10, count)) * SEC
    event_us = at_us - back_us
    micro = np.exp(dice.normal(_MICRO_PER_CALL, 1.5, count)).astype(np.int64)
    kind = numbers % len(KINDS)
    users = np.flatnonzero(kind == KINDS.index("user"))
    of_row = np.concatenate([np.arange(count), users, [-1, -1]])
    called = np.array([f"{KINDS[k]}-{n:07d}" for k, n in zip(kind.tolist(), numbers.tolist(), strict=True)], object)
    type_of = np.concatenate([np.array(KINDS, object)[kind], np.full(len(users), "budget", object), ["org", "budget"]])
    id_of = np.concatenate([called, np.full(len(users), EACH, object), [ORG, "all"]])
    member = np.concatenate([np.full(count, "", object), called[users], ["", ""]])
    order = np.lexsort((member.astype(str), id_of.astype(str), type_of.astype(str)))
    total = int(micro.sum())
    names = {"entity_type": type_of, "entity_id": id_of, "member": [one or None for one in member]}
    lists = {"user_hashes": _hashes(type_of, np.append(numbers, 0)[of_row])}
    lists["address_hashes"] = pa.nulls(len(of_row), pa.list_(pa.uint64()))
    counted = _columns(of_row, event_us, np.append(micro, total), at_us)
    return pa.RecordBatch.from_pydict(
        {**counted, **{name: pa.array(some) for name, some in names.items()}, **lists},
        schema=DELTA_SCHEMA,
    ).take(pa.array(order))


def _columns(of_row: Ints, event_us: Ints, micro: Ints, at_us: int) -> dict[str, pa.Array]:
    """What is counted in each row; -1 stands for the sum of all."""
    count = len(of_row)
    times = np.append(event_us, at_us)[of_row]
    nothing = dict.fromkeys(
        (field.name for field in DELTA_SCHEMA if field.type == pa.int64()), pa.array(np.zeros(count, np.int64))
    )
    return {
        **nothing,
        "org": pa.array(np.full(count, ORG, object)),
        "bucket_us": pa.array(times // BUCKET_US * BUCKET_US),
        "live": pa.array(np.ones(count, bool)),
        "requests": pa.array(np.where(of_row < 0, len(event_us), 1)),
        "input_tokens": pa.array(micro[of_row] // 3),
        "cost_micro_usd": pa.array(micro[of_row]),
        "cost_pico_remainder": pa.array(np.arange(count) * 7919 % SEC),
        "first_us": pa.array(times),
        "last_us": pa.array(times),
    }


def _hashes(type_of: npt.NDArray[np.object_], number: Ints) -> pa.Array:
    """One user of each credential, always the same."""
    named = type_of == "credential"
    offsets = np.concatenate([[0], np.cumsum(named)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(number[named].astype(np.uint64) + 1))
