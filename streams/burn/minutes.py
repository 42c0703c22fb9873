"""The rows of one message go into the minutes of who is watched: those to be judged, or those to be caught up with.

What is not live, or came after its minute was judged, is caught up with (catching_up.py): unless a later minute of the
same spender is known already and enough is known of it, then it is too late to be learnt. Corrections that bring a
minute below zero leave it at zero.
"""

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from streams.burn.deltas import Deltas
from streams.burn.spenders import AHEAD_MIN, RULES, Watch, minute_of, minutes_over, together
from streams.burn.state import BurnState

Ints = npt.NDArray[np.int64]
MOST_PAST_MIN = 8 * 1440
"""What lies further back is not learnt."""
_SPARE_MIN = 4
_BUCKETS = 60_000_000 // BUCKET_US
_MOST_CHUNKS = 64


def take_minutes(state: BurnState, deltas: Deltas, rows: Ints) -> None:
    """The rows of entities are in the minutes of those who are watched."""
    rows = rows[deltas.micro[rows] != 0]
    slots, rows = _watched(state, deltas, rows)
    if len(rows) == 0:
        return
    watch = state.watch
    table, next_min = watch.spenders, watch.next_min or minutes_over(state.clock)
    table.will_change(np.unique(slots))
    minute = deltas.bucket[rows] // _BUCKETS + minute_of(0)
    micro, live = deltas.micro[rows], deltas.live[rows]
    on_time = live & (minute >= next_min) & (minute < next_min + AHEAD_MIN - _SPARE_MIN)
    np.add.at(table.columns["minutes"], (slots[on_time], minute[on_time] % AHEAD_MIN), micro[on_time])
    late = ~on_time & (minute < next_min) & (minute > minute_of(state.clock.lead_us) - MOST_PAST_MIN)
    unknown = table.columns["active_minutes"][slots] < RULES.least_active_minutes
    late &= unknown | (minute > table.columns["learnt_min"][slots])
    if late.any():
        _wait(watch, (slots[late], minute[late], micro[late], live[late]), lead_us=state.clock.lead_us)


def _wait(watch: Watch, cells: tuple[Ints, Ints, Ints, npt.NDArray[np.bool_]], *, lead_us: int) -> None:
    watch.late.append(cells)
    if len(watch.late) > _MOST_CHUNKS and sum(len(some[0]) for some in watch.late) > 2 * len(watch.late[0][0]):
        watch.late = [together(watch.late)]
    watch.late_oldest_us = watch.late_oldest_us or lead_us
    watch.late_newest_us = lead_us


def _watched(state: BurnState, deltas: Deltas, rows: Ints) -> tuple[Ints, Ints]:
    """The slot of each row of somebody who is watched, and those rows."""
    policies = state.policies
    places, inverse = np.unique(deltas.key_of_row[rows], return_inverse=True)
    if policies is None or len(rows) == 0:
        return rows[:0], rows[:0]
    slots = np.full(len(places), -1, np.int64)
    known = state.watch.spenders.slots.get
    keys = deltas.keys
    for index, place in enumerate(places.tolist()):
        key = keys[place][:3]
        found = known(key)
        if found is not None:
            slots[index] = found
        elif key[1] in policies.spike(key[0]).entity_types:
            slots[index] = state.watch.slot(key, policies)
    of_row = slots[inverse]
    return of_row[of_row >= 0], rows[of_row >= 0]
