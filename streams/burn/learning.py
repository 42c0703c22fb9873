"""What a day teaches of the shapes of weeks (shapes.py), from the windows of budgets.

Laws
1. A day (UTC) is learned when the floor is `LAG_US` past its end, from the windows of two hours as they stand then:
   whatever came before counts, in any order; what comes later is left out. Days nothing was spent on are days, too,
   but the day on which a member is used for the first time is none: it began somewhere within it.
2. The members of one day are learned `AT_ONCE` a message, so no tick is long; then their shapes are weighed anew, with
   what their peers have shown: those of the organisation that are of the same kind (each user, each agent, ...).
3. What was not used for `FORGET_DAYS` is forgotten, and so are budgets without burn alerts. Who has never used any of
   the unit (calls that cost nothing, names that somebody made up) is forgotten with its windows.
"""

import numpy as np
import numpy.typing as npt

from streams.burn import rings, week
from streams.burn.in_force import InForceHere
from streams.burn.limits import Plan, Unit
from streams.burn.shapes import MemberKey, Peers, Shapes, peers_of, wants_shape
from streams.burn.state import BurnState
from streams.burn.table import Slots, Table

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
DAY_US = 86_400_000_000
LAG_US = 6 * 3_600_000_000
AT_ONCE = 1000
FORGET_DAYS = 35
_SEC = 1_000_000
_COLUMN: dict[Unit, str] = {"usd": "micro", "tokens": "tokens", "requests": "requests"}


def learn(state: BurnState, *, before_us: int | None) -> None:
    """One step more of the day that is due, in each new second of the floor (it was at `before_us`); else nothing."""
    floor_us, policies, folding = state.clock.floor_us, state.policies, state.folding
    if floor_us is None or policies is None or (before_us is not None and floor_us // _SEC <= before_us // _SEC):
        return
    members, shapes, peers = state.members, state.shapes, state.peers
    due = (floor_us - LAG_US) // DAY_US - 1
    if folding.day == 0:
        folding.day = due
    if folding.day >= due:
        return
    folding.day = max(folding.day, due - FORGET_DAYS)
    table = members if folding.phase == 0 else shapes
    some = [slot for slot in range(folding.at, min(folding.at + AT_ONCE, len(table))) if table.keys[slot] is not None]
    if folding.phase == 0:
        _begin(members, shapes, policies, some)
    elif folding.phase == 1:
        _learn(members, shapes, peers, policies, some, day=folding.day + 1)
    else:
        _weigh(shapes, peers, policies, some)
    folding.at += AT_ONCE
    if folding.at < len(table):
        return
    folding.at = 0
    if folding.phase == 1:
        _learn_of_peers(peers, day=folding.day + 1)
    folding.phase = (folding.phase + 1) % 3
    folding.day += folding.phase == 0


def _begin(members: Table[MemberKey], shapes: Shapes, policies: InForceHere, some: list[int]) -> None:
    for slot in some:
        key = members.keys[slot]
        if key is not None and wants_shape(policies.plans.get(key[:2])):
            shapes.slot(key)


def _learn(  # noqa: PLR0913  the tables that it reads and writes
    members: Table[MemberKey], shapes: Shapes, peers: Peers, policies: InForceHere, some: list[int], *, day: int
) -> None:
    column, used = shapes.columns, shapes.columns["used"]
    idle = [slot for slot in some if not _plan(shapes, policies, slot) or _is_idle(members, shapes, slot, day=day)]
    shapes.remove(idle)
    kept = [slot for slot in some if shapes.keys[slot] is not None]
    plans = [plan for slot in kept if (plan := _plan(shapes, policies, slot)) is not None]
    if not kept:
        return
    amounts, known = _day(members, [shapes.keys[slot] or ("", "", "") for slot in kept], plans, day=day)
    total = amounts.sum(axis=1)
    every = np.array(kept, np.int64)
    seen = known & (used[every] > 0)
    shapes.will_change(every)
    used[every[total > 0]] = day
    slots, amounts, total = every[seen], amounts[seen], total[seen]
    if len(slots) == 0:
        return
    for name in ("days", "hours", "seen", "weekdays", "level", "level_days"):
        column[name][slots] = week.faded(column[name][slots].astype(np.int64))
    column["level"][slots] += total
    column["level_days"][slots] += week.WHOLE
    ratio = week.ratios(total, column["level"][slots], column["level_days"][slots].astype(np.int64))
    share = week.shares(amounts)
    spent = (total > 0).astype(np.int64)
    column["days"][slots] += (spent * week.WHOLE).astype(np.int32)
    column["hours"][slots] += share.astype(np.int32)
    column["seen"][slots, day % week.WEEKDAYS] += week.WHOLE
    column["weekdays"][slots, day % week.WEEKDAYS] += ratio.astype(np.int32)
    of = [peers.slot(peers_of(plan)) for plan, one in zip(plans, seen.tolist(), strict=True) if one]
    peers.will_change(np.array(of, np.int64))
    for name, values in (("of_used", spent), ("of_hours", share), ("of_ratios", ratio)):
        np.add.at(peers.columns[name], of, values)
    np.add.at(peers.columns["of_seen"], of, 1)


def _is_idle(members: Table[MemberKey], shapes: Shapes, slot: int, *, day: int) -> bool:
    used = int(shapes.columns["used"][slot])
    return used < day - FORGET_DAYS if used else shapes.keys[slot] not in members.slots


def _plan(shapes: Shapes, policies: InForceHere, slot: int) -> Plan | None:
    """The plan of a row's budget, if it wants a shape."""
    key = shapes.keys[slot]
    plan = None if key is None else policies.plans.get(key[:2])
    return plan if wants_shape(plan) else None


def _day(members: Table[MemberKey], keys: list[MemberKey], plans: list[Plan], *, day: int) -> tuple[Ints, Bools]:
    """What each has spent in each two hours of the day, never below zero; false: it is not known any more."""
    slots = np.array([members.slots.get(key, -1) for key in keys], np.int64)
    amounts, known = np.zeros((len(keys), week.DAY_CELLS), np.int64), np.ones(len(keys), np.bool_)
    units = np.array([_COLUMN[plan.budget.unit] for plan in plans])
    for name in sorted(set(_COLUMN.values())):
        here = np.flatnonzero((slots >= 0) & (units == name))
        amounts[here], known[here] = _cells(members, slots[here], name, day=day)
    return amounts, known


def _cells(members: Table[MemberKey], slots: Slots, name: str, *, day: int) -> tuple[Ints, Bools]:
    ring = rings.LONG
    newest = members.columns["newest"][slots] // ring.buckets
    cells = np.arange(day * week.DAY_CELLS, (day + 1) * week.DAY_CELLS)
    held = members.columns[name][slots[:, None], ring.first + cells % ring.cells].astype(np.int64)
    return np.maximum(np.where(cells <= newest[:, None], held, 0), 0), newest - ring.cells < cells[0]


def _learn_of_peers(peers: Peers, *, day: int) -> None:
    """The day's means are in what is known of each kind, and its shape follows."""
    slots = np.arange(len(peers))
    peers.will_change(slots)
    column = peers.columns
    for name in ("days", "hours", "seen", "weekdays"):
        column[name][slots] = week.faded(column[name][slots].astype(np.int64))
    seen, used = column["of_seen"][slots] > 0, column["of_used"][slots] > 0
    column["days"][slots[used]] += week.WHOLE
    column["hours"][slots[used]] += (column["of_hours"][slots[used]] // column["of_used"][slots[used], None]).astype(
        np.int32
    )
    column["seen"][slots[seen], day % week.WEEKDAYS] += week.WHOLE
    ratio = column["of_ratios"][slots[seen]] // column["of_seen"][slots[seen]]
    column["weekdays"][slots[seen], day % week.WEEKDAYS] += ratio.astype(np.int32)
    for name in ("of_used", "of_hours", "of_seen", "of_ratios"):
        column[name][slots] = 0
    column["weights"][slots] = week.weights(*_of_peers(peers, slots)).astype(np.uint16)


def _of_peers(peers: Peers, slots: Slots) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weekdays and hours of kinds, drawn towards flat."""
    column, flat = peers.columns, np.full((1, 1), float(week.WHOLE))
    days, seen = column["days"][slots, None], column["seen"][slots]
    weekdays = week.drawn(column["weekdays"][slots], seen, flat, prior=week.LIKE_FLAT)
    return weekdays, week.drawn(column["hours"][slots], days, flat, prior=week.LIKE_FLAT)


def _weigh(shapes: Shapes, peers: Peers, policies: InForceHere, some: list[int]) -> None:
    kept = [slot for slot in some if (plan := _plan(shapes, policies, slot)) and peers_of(plan) in peers.slots]
    plans = [plan for slot in kept if (plan := _plan(shapes, policies, slot)) is not None]
    if not kept:
        return
    weekdays, hours = _of_peers(peers, np.array([peers.slots[peers_of(plan)] for plan in plans], np.int64))
    column, slots = shapes.columns, np.array(kept, np.int64)
    shapes.will_change(slots)
    weekdays = week.drawn(column["weekdays"][slots], column["seen"][slots], weekdays, prior=week.LIKE_PEERS)
    hours = week.drawn(column["hours"][slots], column["days"][slots, None], hours, prior=week.LIKE_PEERS)
    column["weights"][slots] = week.weights(weekdays, hours).astype(np.uint16)
