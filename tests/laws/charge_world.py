"""A small world of charges: messages, policies that change, and what burn's budgets must come to."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from schemas.internal import batch_from_headers, from_arrow_bytes
from schemas.periods import period_of
from schemas.policies import Budget, OnePolicy, Policies, PolicyChange, fold
from streams.ports import Output, SourceBatch, SourceRecord, StepResult
from streams.rating.accruing import CHARGES_TOPIC, STATE_TOPIC, AccruingLane

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_US = int(NOON.timestamp()) * 1_000_000
HOUR_US = 3_600_000_000
HOME = 0
"""Where the charges of acme belong, and those of stark."""
PicoByPeriod = dict[tuple[str, str, str | None, int], int]
"""Pico-USD by org, budget, member and start of the period."""


def message(id_: str = "c-1", **changes: Any) -> dict[str, Any]:
    """An ordinary charge: 30 seats in November; `data` fields may be set (None removes one)."""
    envelope = {name: changes.pop(name) for name in ("source", "time", "type") if name in changes}
    given = {
        "org": "acme", "team": "code", "kind": "seat", "amount_usd": "300", "service_from": "2026-11-01",
        "service_until": "2026-12-01", "contract": "C-1", "vendor": "github",
    }  # fmt: skip
    data = {name: value for name, value in (given | changes).items() if value is not None}
    event = {
        "specversion": "1.0", "type": "burnline.charge.v1", "source": "finance", "id": id_,
        "time": "2026-11-01T09:00:00Z", "data": data,
    }  # fmt: skip
    return event | envelope


class ChangingPolicies:
    """A policy log that grows: each change is one more offset."""

    def __init__(self, *budgets: Budget) -> None:
        self.offset = -1
        self.policies: Policies = {}
        if budgets:
            self.set(*budgets)

    def set(self, *budgets: OnePolicy) -> None:
        """The policies are in force."""
        self.offset += 1
        change = PolicyChange(change_id=str(self.offset), actor="test", at="now", files=(), sets=budgets)
        self.policies = fold(self.policies, change, offset=self.offset)

    def latest(self) -> tuple[int, Policies]:
        """What is in force."""
        return self.offset, self.policies

    def at(self, offset: int) -> Policies:
        """What is in force now."""
        del offset
        return self.policies


@dataclass
class Kept:
    """`internal.charges` as a lane finds it: the newest record of each key; conforms to `PartitionReader`."""

    records: dict[bytes | None, bytes] = field(default_factory=dict)
    partition: int = HOME

    def take(self, outputs: Iterable[Output]) -> None:
        """What was sent there is there."""
        for output in outputs:
            if output.topic == STATE_TOPIC:
                self.records.pop(output.key, None)
                self.records[output.key] = output.value

    async def read(self, topic: str, partition: int, *, from_offset: int = 0) -> Sequence[SourceRecord]:
        """All of it."""
        assert (topic, partition, from_offset) == (STATE_TOPIC, self.partition, 0)
        found = enumerate(self.records.items())
        return [SourceRecord(at, NOW_US, key, value, ()) for at, (key, value) in found]

    async def read_last(self, topic: str, partition: int, *, records: int) -> Sequence[SourceRecord]:
        """All of it."""
        del records
        return await self.read(topic, partition)


class Lane:
    """A lane of a partition whose process can be restarted, and all that it sent."""

    def __init__(self, policies: ChangingPolicies, partition: int = HOME) -> None:
        self.policies = policies
        self.partition = partition
        self.kept = Kept(partition=partition)
        self.outputs: list[Output] = []
        self.logic = AccruingLane(partition, policies)
        self.offset = 0

    def send(self, events: Sequence[Mapping[str, Any] | bytes | None], *, at_us: int = NOW_US) -> StepResult:
        """The messages come in one batch."""
        values = [one if isinstance(one, bytes) or one is None else json.dumps(one).encode() for one in events]
        records = [SourceRecord(self.offset + number, at_us, b"acme", value, ()) for number, value in enumerate(values)]
        self.offset += len(values)
        return self._done(self.logic.step(self.batch(records)))

    def batch(self, records: Sequence[SourceRecord]) -> SourceBatch:
        """The records as a lane gets them."""
        return SourceBatch(CHARGES_TOPIC, self.partition, records)

    def tick(self, at_us: int) -> None:
        """The log's time goes on; what the lane does not say now it says with a later tick."""
        result = self.logic.tick(at_us)
        if result is not None:
            self._done(result)

    def restart(self) -> None:
        """The process dies; its successor begins from what is committed."""
        self.logic = AccruingLane(self.partition, self.policies)
        assert asyncio.run(self.logic.recover(self.kept, next_offset=self.offset)) == self.offset

    def _done(self, result: StepResult) -> StepResult:
        self.kept.take(result.outputs)
        self.outputs.extend(result.outputs)
        return result

    def spent(self) -> PicoByPeriod:
        """What the messages of `internal.deltas` come to, as burn counts them: each budget in its newest life."""
        found: PicoByPeriod = defaultdict(int)
        in_force = self.policies.policies.values()
        budgets = {(e.policy.org, e.policy.id): e for e in in_force if isinstance(e.policy, Budget)}
        for output in self.outputs:
            if output.topic != "internal.deltas":
                continue
            header = batch_from_headers(output.headers)
            assert not header.clock
            assert not header.windows
            for row in from_arrow_bytes(output.value).to_pylist():
                assert (row["entity_type"], row["live"]) == ("budget", False)
                assert 0 <= row["cost_pico_remainder"] < 10**6
                entry = budgets.get((row["org"], row["entity_id"]))
                if entry is None or header.policy_offset < entry.matched_since:
                    continue
                budget: Any = entry.policy
                start = period_of(row["bucket_us"], budget.period, budget.timezone).start_us
                pico = row["cost_micro_usd"] * 10**6 + row["cost_pico_remainder"]
                found[row["org"], row["entity_id"], row["member"], start] += pico
        return {key: pico for key, pico in found.items() if pico}


def truth(standing: Iterable[Mapping[str, Any]], budgets: Iterable[Budget], *, at_us: int) -> PicoByPeriod:
    """What the charges that stand must have debited by a log time, from their own words."""
    found: PicoByPeriod = defaultdict(int)
    for charge in standing:
        data = charge["data"]
        first, until = (date.fromisoformat(data[name]) for name in ("service_from", "service_until"))
        zone, days = ZoneInfo(data.get("timezone", "UTC")), (until - first).days
        pico = int(Decimal(data["amount_usd"]) * 10**12)
        said = 0
        for number in range(days):
            day = first + timedelta(days=number)
            begins = datetime(day.year, day.month, day.day, tzinfo=zone)
            if begins.timestamp() * 1_000_000 > at_us:
                break
            upto = abs(pico) * (number + 1) // days * (-1 if pico < 0 else 1)
            share, said = upto - said, upto
            noon_us = int(begins.replace(hour=12).timestamp()) * 1_000_000
            for budget in budgets:
                if budget.unit != "usd" or budget.period == "hour" or data["org"] != budget.org:
                    continue
                if any(data.get(name) != value for name, value in budget.scope.items()):
                    continue
                member = data.get(budget.each) if budget.each else None
                if budget.each is None or member is not None:
                    start = period_of(noon_us, budget.period, budget.timezone).start_us
                    found[budget.org, budget.id, member, start] += share
    return {key: pico for key, pico in found.items() if pico}
