"""Shapes of the week (week.py) of budgets and their members: what is known of each, and which one holds.

A member of whom nothing is known has the shape of its peers: those of the organisation that are of the same kind (each
user, each agent, ...); where nothing is known of those, a flat one. learning.py fills the tables. A row takes 0.3 KB.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from streams.burn import week
from streams.burn.limits import Plan
from streams.burn.messages import whose
from streams.burn.table import Column, Table

Ints = npt.NDArray[np.int64]
MemberKey = tuple[str, str, str]
PeersKey = tuple[str, str]
"""org and kind of entity."""
Shapes = Table[MemberKey]
Peers = Table[PeersKey]

_LEARNED = {
    "days": Column("int32"),  # days with use, faded, in millionths
    "hours": Column("int32", week.DAY_CELLS),  # shares of these days
    "seen": Column("int32", week.WEEKDAYS),  # days known, by weekday from Thursday, used or not
    "weekdays": Column("int32", week.WEEKDAYS),  # what these had spent, beside an average day
    "weights": Column("uint16", week.CELLS),  # the shape; zero: not weighed yet
}


class Folding(msgspec.Struct):
    """Which days are learned: all up to `day` (from 1970), and of the next one `at` rows in the phase."""

    day: int = 0  # 0 = none yet
    phase: int = 0  # rows for new members, what they show, their shapes
    at: int = 0


def new_shapes() -> Shapes:
    """Every budget spends evenly."""
    more = {"level": Column("int64"), "level_days": Column("int32"), "used": Column("int32")}
    return Table({**_LEARNED, **more}, page_rows=512)


def new_peers() -> Peers:
    """Nothing is known of any kind; the columns `of_*` hold sums of the day in hand."""
    more = {
        "of_used": Column("int64"),
        "of_hours": Column("int64", week.DAY_CELLS),
        "of_seen": Column("int64"),
        "of_ratios": Column("int64"),
    }
    return Table({**_LEARNED, **more}, page_rows=512)


def wants_shape(plan: Plan | None) -> bool:
    """Whether anything asks for the shape of this budget."""
    return plan is not None and plan.budget.burn_alerts and plan.budget.period != "hour"


def peers_of(plan: Plan) -> PeersKey:
    """Which others a budget's members are like."""
    budget = plan.budget
    return (budget.org, budget.each if budget.each is not None else whose(budget, "")[0])


def shapes_of(shapes: Shapes, peers: Peers, keys: Sequence[MemberKey], plans: Sequence[Plan | None]) -> Ints:
    """The shape of each of these members, a row each, of the budgets that the plans say."""
    found = np.tile(week.FLAT, (len(keys), 1))
    own = np.array([shapes.slots.get(key, -1) for key in keys], np.int64)
    each = {id(plan): plan for plan in plans if plan is not None}
    kinds = {one: peers.slots.get(peers_of(plan), -1) for one, plan in each.items() if wants_shape(plan)}
    kind = np.array([kinds.get(id(plan), -1) for plan in plans], np.int64)
    for slots, weights in ((kind, peers.columns["weights"]), (own, shapes.columns["weights"])):
        weighed = np.flatnonzero(slots >= 0)
        weighed = weighed[weights[slots[weighed], 0] > 0]
        found[weighed] = weights[slots[weighed]]
    return found
