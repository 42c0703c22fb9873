"""Rating of one partition of `usage.charges`: charges debit budgets day by day, as their service periods go on.

The lane remembers every charge as it stands (`internal.charges`), and the log time up to which it has debited them.

Laws
1. At any log time each budget in force has been debited exactly what the days that have begun are worth, of all charges
   as they stand: however messages were ordered, cut into batches, repeated, or interrupted.
2. A revision debits the difference: the days of the one before are taken back.
3. A budget that is new, or matches something else, gets the days before it from here; the ledger need not know them.
   Burn drops what is older than the periods that it keeps; days of more than KEPT_DAYS ago are not sent at all, unless
   a budget has a term of its own that began before.
4. Shares are never live and move no clock and no window: they count in budgets, whose open periods fire by them.
5. A contract that ends soon is said once (`renewals.py`).
6. A charge that came elsewhere than where its org's charges belong is sent there and debits nothing here: one lane
   knows all charges of an org, whatever key a producer gave them.
7. Dead letters + what is sent on + what changes nothing + charges that stand from now on = records.
"""

from collections.abc import Iterable, Iterator

import msgspec

from schemas.aliases import NO_ALIASES, Aliases
from schemas.charge_states import (
    KEPT_TYPE,
    RENEWAL_TYPE,
    WORD_KEY,
    WORD_TYPE,
    ChargesWord,
    kept_from_bytes,
    record_bytes,
    record_from_bytes,
    word_from_bytes,
)
from schemas.charges import ChargeEvent, charge_key, decode_charge
from schemas.errors import CorruptStateError, InvalidMessage, Reason
from schemas.internal import batch_from_headers
from schemas.keys import partition_for
from schemas.topics import BY_NAME
from streams.ports import Output, PartitionReader, PolicyLog, SourceBatch, SourceRecord, StepResult
from streams.rating.attribution import NO_DIRECTORY
from streams.rating.charge_deltas import Days, charge_deltas, debited, first_day_of_terms
from streams.rating.dead_letters import dead_letter
from streams.rating.decoding import binary_attributes
from streams.rating.matching import Matcher
from streams.rating.messages import Batch, sum_messages
from streams.rating.renewal_watch import RenewalWatch, renewal_outputs
from streams.rating.spreading import days_due
from streams.rating.standing_charges import Charge, charge_of, kept_of, replacing

CHARGES_TOPIC = "usage.charges"
STATE_TOPIC = "internal.charges"
KEPT_DAYS = 800
TICK_EVERY = 10
"""Ticks come each second, or each third where nothing comes: a day may begin so late. Policies do not wait."""
_DAY_US = 86_400_000_000
_QUARTER_US = 900_000_000
_KILLED = InvalidMessage(Reason.POISON, "", "each process that rated this record, and nothing else with it, died")


class AccruingLane:
    """Charges of one partition; state is what `internal.charges` says, and what its word says."""

    def __init__(self, partition: int, policies: PolicyLog) -> None:
        self.partition = partition
        self.copies_dropped = 0
        self._policies = policies
        self._charges: dict[str, Charge] = {}
        self._log_time_us = 0
        self._policy_offset = -1
        self._next_offset = 0
        self._matcher = Matcher({})
        self._matcher_offset = -1
        self._terms_from: int | None = None
        self._aliases = NO_ALIASES
        self._directory = NO_DIRECTORY
        self._renewals = RenewalWatch()
        self._renewals_at = (-1, -1)  # quarter of an hour of log time, and policy offset, of the last look
        self._silent = TICK_EVERY
        self._ticks = 0

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """Charges, log time and policy offset are those of the last committed step; reading goes on.

        Raises: CorruptStateError: `internal.charges` holds what rating did not write.
        """
        for record in await reader.read(STATE_TOPIC, self.partition):
            try:
                kind, data = record_from_bytes(record.value or b"")
                if kind == KEPT_TYPE:
                    charge = charge_of(kept_from_bytes(data))
                    self._charges[charge.kept.charge_id] = charge
                elif kind == WORD_TYPE:
                    word = word_from_bytes(data)
                    self._log_time_us, self._policy_offset = word.log_time_us, word.policy_offset
                elif kind == RENEWAL_TYPE:
                    self._renewals.restore(data)
            except (msgspec.MsgspecError, KeyError, ValueError) as error:
                where = f"{STATE_TOPIC}/{self.partition}@{record.offset}"
                raise CorruptStateError(f"{where} cannot be read as a charge that was kept") from error
        self._next_offset = next_offset
        return next_offset

    def policy_offset_needed(self, batch: SourceBatch) -> int:  # noqa: ARG002  part of the port
        """The highest offset that this lane has named: policies never go back."""
        return self._policy_offset

    def tick(self, log_time_us: int) -> StepResult | None:
        """The days that have begun meanwhile, and budgets that are new; mostly nothing, said every TICK_EVERY ticks."""
        self._silent += 1
        moved = self._policies.latest()[0] > self._policy_offset
        if not moved and self._silent < TICK_EVERY and self._ticks > 1:
            return None
        self._silent, self._ticks = 0, self._ticks + 1
        return self._result(self._move(log_time_us, self._next_offset), changed=False)

    def step(self, batch: SourceBatch) -> StepResult:
        """All that the records lead to: debits, charges as they stand, dead letters."""
        first, last = batch.records[0], batch.records[-1]
        outputs = self._move(last.append_time_us, first.offset)
        self._next_offset = last.offset + 1
        changed: dict[str, Charge] = {}
        days: list[Days] = []
        for record in batch.records:
            try:
                event = _event_of(record)
                home = partition_for(charge_key(event.data.org), BY_NAME[CHARGES_TOPIC].partitions)
                if home != self.partition:
                    outputs.append(_sent_on(event, home))
                    continue
                before, after = self._take(event, record.append_time_us)
            except InvalidMessage as refusal:
                outputs.append(dead_letter(record, refusal, topic=CHARGES_TOPIC, partition=self.partition))
                continue
            if after is None:
                self.copies_dropped += 1
                continue
            self._charges[after.kept.charge_id] = changed[after.kept.charge_id] = after
            if before is not None:
                days.append(self._due(before, sign=-1))
            days.append(self._due(after))
        outputs.extend(self._debits(days, self._matcher, first_offset=first.offset))
        outputs.extend(self._kept(charge) for charge in changed.values())
        return self._result(outputs, changed=bool(changed))

    def set_aside(self, record: SourceRecord) -> StepResult:
        """The record is a dead letter and changes nothing; the log moves on past it."""
        outputs = self._move(record.append_time_us, record.offset)
        self._next_offset = record.offset + 1
        letter = dead_letter(record, _KILLED, topic=CHARGES_TOPIC, partition=self.partition)
        return self._result([*outputs, letter], changed=False)

    def _take(self, event: ChargeEvent, received_us: int) -> tuple[Charge | None, Charge | None]:
        """(what stood, what stands from now on; None where nothing changes). Raises: InvalidMessage."""
        new = charge_of(kept_of(event, received_us=received_us, aliases=self._aliases, directory=self._directory))
        before = self._charges.get(new.kept.charge_id)
        return before, replacing(before, new)

    def _move(self, log_time_us: int, first_offset: int) -> list[Output]:
        """Policies and log time are those of now, neither ever falls; the debits that follow from both."""
        outputs: list[Output] = []
        offset, policies = self._policies.latest()
        if offset > self._matcher_offset:
            self._matcher, self._matcher_offset = debited(policies), offset
            self._aliases = Aliases(entry.policy for entry in policies.values())
            self._directory = self._directory.under(policies)
            self._terms_from = first_day_of_terms(policies)
        if offset > self._policy_offset:
            new, self._policy_offset = debited(policies, since_after=self._policy_offset), offset
            if new.matched_since:
                before = [self._due(charge) for charge in self._charges.values()]
                outputs.extend(self._debits(before, new, first_offset=first_offset))
        before_us, self._log_time_us = self._log_time_us, max(self._log_time_us, log_time_us)
        outputs.extend(self._debits(self._begun(before_us), self._matcher, first_offset=first_offset))
        return outputs

    def _begun(self, before_us: int) -> Iterator[Days]:
        """The days that have begun since a log time."""
        if self._log_time_us == before_us:
            return
        for charge in self._charges.values():
            start, due = days_due(charge.service, at_us=before_us), self._due(charge)
            if due.stop > start:
                yield Days(charge, max(start, due.start), due.stop)

    def _due(self, charge: Charge, *, sign: int = 1) -> Days:
        """The days of a charge that have begun, less those that no budget keeps."""
        oldest = self._log_time_us // _DAY_US + 719_163 - KEPT_DAYS  # 719_163 is the ordinal of 1970-01-01
        oldest = oldest if self._terms_from is None else min(oldest, self._terms_from)
        start = min(max(0, oldest - charge.service.first.toordinal()), charge.service.days)
        return Days(charge, start, max(start, days_due(charge.service, at_us=self._log_time_us)), sign)

    def _debits(self, days: Iterable[Days], matcher: Matcher, *, first_offset: int) -> Iterator[Output]:
        heading = Batch(
            source_topic=CHARGES_TOPIC,
            source_partition=self.partition,
            lanes=BY_NAME[CHARGES_TOPIC].partitions,
            first_offset=first_offset,
            next_offset=max(self._next_offset, first_offset),
            log_time_us=self._log_time_us,
            policy_offset=self._policy_offset,
            tick=False,
            clock=False,
            windows=False,
        )
        for rows in charge_deltas(days, matcher):
            yield from (one for one in sum_messages(heading, rows) if batch_from_headers(one.headers).rows)

    def _kept(self, charge: Charge) -> Output:
        key = charge.kept.charge_id.encode()
        return Output(STATE_TOPIC, record_bytes(KEPT_TYPE, charge.kept), key=key, partition=self.partition)

    def _result(self, outputs: list[Output], *, changed: bool) -> StepResult:
        """The outputs, renewals that follow, and the lane's word, in one transaction."""
        look = (self._log_time_us // _QUARTER_US, self._policy_offset)
        if changed or look != self._renewals_at:
            self._renewals_at = look
            moved = self._renewals.judge(self._charges.values(), self._policies.latest()[1], at_us=self._log_time_us)
            outputs.extend(renewal_outputs(moved, partition=self.partition))
        word = ChargesWord(log_time_us=self._log_time_us, policy_offset=self._policy_offset)
        said = Output(STATE_TOPIC, record_bytes(WORD_TYPE, word), key=WORD_KEY, partition=self.partition)
        return StepResult([*outputs, said], self._log_time_us, self._policy_offset)


def _event_of(record: SourceRecord) -> ChargeEvent:
    """The charge in a record. Raises: InvalidMessage."""
    if record.value is None:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", "the record has no value (a tombstone)")
    return decode_charge(record.value, binary_attributes(record.headers))


def _sent_on(event: ChargeEvent, home: int) -> Output:
    """The same charge where those of its org belong, in structured mode and without what the contract does not know."""
    value = event.model_dump_json(exclude_none=True).encode()
    return Output(CHARGES_TOPIC, value, key=charge_key(event.data.org), partition=home)
