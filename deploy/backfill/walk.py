"""A walk through event time with burn's own code: what budgets say when everything comes as it happens. Pure.

1. A change of rules: applied at its time; a budget's new life opens with all that the ledger has of before.
2. The clock moves on: periods end, windows over days move, increases begin and end.
3. Days of charges that begin, then the sums of the events from here to the next quarter of an hour or change.
Sums of an interval come at its beginning; `to_the_event.py` says which of its events it was.

Laws
1. What is said is what burn would have said live, had each event come when it happened (no more than thresholds and
   commitments: windows of burn rates are finer than these sums).
2. The order of what was added does not matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from deploy.backfill.rules import Life, Rules
from schemas.internal import BUCKET_US, DELTA_SCHEMA, BatchHeaders
from schemas.money import split_pico_usd
from schemas.periods import micros
from schemas.signals import Alert, CloudSignal
from streams.burn.deltas import Deltas, from_rows
from streams.burn.engine import advance
from streams.burn.state import BurnState
from streams.ports import Output

QUARTER_US = 900_000_000
_SUMMED = ("requests", "tokens", "pico_usd", "ceiling_pico_usd")
SAID = frozenset({"threshold", "commitment"})
Cause = Literal["events", "charges", "rules", "clock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What a life of a budget is debited from `at_us` on, up to the next quarter of an hour or change of rules.

    `stands_us` says in which period. Of a charge it is the noon of its day, and `at_us` when that day begins.
    """

    life: Life
    member: str
    at_us: int
    stands_us: int
    requests: int = 0
    tokens: int = 0
    pico_usd: int = 0
    ceiling_pico_usd: int = 0
    is_charge: bool = False


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that would have fired at `at_us` (of events: up to the next quarter or change) and by what."""

    alert: Alert
    at_us: int
    cause: Cause
    by: Added | None = None


def walk(rules: Rules, added: Iterable[Added], *, start_us: int, end_us: int) -> Iterator[Fired]:
    """What is said within [start, end), in order; sums must reach back to `rules.sums_since_us`."""
    every = _together(one for one in added if start_us <= one.at_us < end_us)
    coming: dict[int, list[Added]] = defaultdict(list)
    for one in every:
        if rules.is_direct(one.life, one.at_us):
            coming[one.at_us].append(one)
    first = rules.then(start_us).offset
    steps = _Steps(BurnState(policy_offset=first, opened=first), rules)
    changes = {change.at_us for change in rules.changes}
    for at_us in sorted({start_us, end_us, *coming, *(cut for cut in rules.cuts_us() if start_us < cut < end_us)}):
        opens = every if at_us in changes and at_us > start_us else ()
        yield from steps.at(at_us, coming.get(at_us, ()), opens)


def _together(added: Iterable[Added]) -> list[Added]:
    """What is debited at one time is one sum, in order of time."""
    found: dict[tuple[int, int, Life, str, bool], Added] = {}
    for one in added:
        key = (one.at_us, one.stands_us, one.life, one.member, one.is_charge)
        held = found.get(key)
        if held is not None:
            sums = {name: getattr(held, name) + getattr(one, name) for name in _SUMMED}
            found[key] = replace(held, **sums)
        else:
            found[key] = one
    return [found[key] for key in sorted(found)]


class _Steps:
    """The messages that burn is given."""

    def __init__(self, state: BurnState, rules: Rules) -> None:
        self._state, self._rules = state, rules

    def at(self, at_us: int, coming: Sequence[Added], every: Sequence[Added]) -> Iterator[Fired]:
        """What is said at one time; `every` is all that was ever added, where rules change."""
        before, offset = self._state.policy_offset, self._rules.then(at_us).offset
        moved = self._said(at_us, (), offset=offset, opened=before)
        yield from _fired(moved, at_us, "rules" if offset != before else "clock")
        if offset != before:
            held = [one for one in every if one.at_us < at_us and before < one.life.matched_since <= offset]
            yield from _fired(self._said(at_us, held, offset=offset, opened=offset, clock=False), at_us, "rules")
        for cause, some in _kinds(coming):
            said = self._said(at_us, some, offset=offset, opened=offset)
            by = {(one.life.org, one.life.budget_id, one.member): one for one in some}
            for one in _fired(said, at_us, cause):
                key = (one.alert.org, one.alert.budget_id or "", one.alert.member or "")
                yield Fired(one.alert, at_us, cause, by.get(key))

    def _said(self, at_us: int, some: Sequence[Added], *, offset: int, opened: int, clock: bool = True) -> list[Output]:
        header = BatchHeaders(
            source_topic="usage.events",
            source_partition=0,
            lanes=1,
            first_offset=0,
            next_offset=0,
            log_time_us=at_us,
            policy_offset=offset,
            tick=not some,
            rows=len(some),
            clock=clock,
            opened=opened,
            windows=False,
        )
        deltas = _deltas(some) if some else None
        return advance(self._state, header, deltas, self._rules, silent=True)


def _kinds(coming: Sequence[Added]) -> Iterator[tuple[Cause, Sequence[Added]]]:
    """Charges stand at the beginning of a day, before its events."""
    charges = [one for one in coming if one.is_charge]
    events = [one for one in coming if not one.is_charge]
    if charges:
        yield "charges", charges
    if events:
        yield "events", events


def _fired(outputs: Iterable[Output], at_us: int, cause: Cause) -> Iterator[Fired]:
    for output in outputs:
        if not output.topic.startswith("alerts."):
            continue
        alert = CloudSignal.model_validate_json(output.value).data
        if isinstance(alert, Alert) and alert.rule in SAID and alert.status == "firing":
            ended = alert.period_end if alert.rule == "commitment" else None  # the next thing may come much later
            yield Fired(alert, at_us if ended is None else micros(ended), cause)


def _deltas(some: Sequence[Added]) -> Deltas:
    nothing = dict.fromkeys(DELTA_SCHEMA.names, 0) | {"user_hashes": None, "address_hashes": None}
    rows = []
    for one in sorted(some, key=lambda one: (one.life, one.member, one.stands_us)):
        micro, pico = split_pico_usd(one.pico_usd)
        ceiling_micro, ceiling_pico = split_pico_usd(one.ceiling_pico_usd)
        rows.append(
            nothing
            | {"org": one.life.org, "entity_type": "budget", "entity_id": one.life.budget_id}
            | {"member": one.member or None, "bucket_us": one.stands_us // BUCKET_US * BUCKET_US, "live": True}
            | {"requests": one.requests, "input_tokens": one.tokens}
            | {"cost_micro_usd": micro, "cost_pico_remainder": pico}
            | {"ceiling_micro_usd": ceiling_micro, "ceiling_pico_remainder": ceiling_pico}
            | {"first_us": one.stands_us, "last_us": one.stands_us}
        )
    return from_rows(pa.RecordBatch.from_pylist(rows, schema=DELTA_SCHEMA))
