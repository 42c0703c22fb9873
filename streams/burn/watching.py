"""Minutes of the log are judged, one after the other, once the floor has passed them; what came late is caught up with.

Laws
1. A minute is judged when the floor is 10 s past its end. A lane that is further behind than 20 min is not waited for.
2. Who comes late is judged late, in event time: rows of one spender are caught up with as if they had come in order,
   2 s after the last of them came, or a minute after the first (history: 10 min). Whoever is too little known to be
   judged begins anew from what came late, where that says more.
3. What history would have said is not said: only a minute with live rows fires, and an anomaly that still lasts then.
4. A pause of the log of more than ten minutes is nobody's silence.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from streams.anomalies.detector import Detector
from streams.anomalies.flags import Flag
from streams.anomalies.page import F32, I32, KINDS, WINDOW_MIN, Page
from streams.burn.spenders import AHEAD_MIN, RULES, Cells, Watch, minutes_over, passed_us, together
from streams.burn.state import BurnState
from streams.burn.table import Slots

Ints = npt.NDArray[np.int64]
SETTLED_US = 2_000_000
SOON_US = 60_000_000
HISTORY_US = 600_000_000
_PAUSE_MIN = 10
_NEVER = 2**40
_MICRO = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class Found:
    """A flag and whose it is: the row of a spender."""

    slot: int
    flag: Flag


def judged(state: BurnState) -> list[Found]:
    """What the detectors say of the minutes that are over, and of what was caught up with."""
    watch, clock = state.watch, state.clock
    if clock.lead_us == 0 or state.policies is None:
        return []
    watch.gate(state.policies)
    over = minutes_over(clock)
    if watch.next_min == 0:
        watch.next_min = over
    found: list[Found] = []
    paused = over - watch.next_min > _PAUSE_MIN
    while watch.next_min < over:
        if paused and not watch.spenders.column("minutes").any():
            watch.next_min = over
            break
        found += _minute(watch)
    return found + _late(watch, now_us=passed_us(clock))


def _minute(watch: Watch) -> list[Found]:
    """The next minute is judged and learnt."""
    table, at_min = watch.spenders, watch.next_min
    watch.next_min = at_min + 1
    if len(table) == 0:
        return []
    table.will_change(np.arange(0, len(table), table.page_rows))
    watch.parents.will_change(np.arange(0, len(watch.parents), watch.parents.page_rows))
    cell = table.column("minutes")[:, at_min % AHEAD_MIN]
    micro = cell.copy()
    cell[np.flatnonzero(micro)] = 0
    usd = np.maximum(micro, 0).astype(np.float32) * _MICRO
    flags = watch.detector().minute(usd, at_min=at_min)
    spending = np.flatnonzero(usd)
    newest, learnt = table.column("newest"), table.column("learnt_min")
    newest[spending] = _shifted(newest[spending], learnt[spending], usd[spending], at_min=at_min)
    learnt[spending] = at_min
    return [Found(flag.row, flag) for flag in flags]


def _shifted(newest: F32, learnt: I32, usd: F32, *, at_min: int) -> F32:
    """What was spent in the three minutes up to this one, in which so much was: by minute modulo 3, a row each."""
    shifted = newest.copy()
    for back in range(1, WINDOW_MIN):
        shifted[at_min - back > learnt, (at_min - back) % WINDOW_MIN] = 0
    shifted[:, at_min % WINDOW_MIN] = usd
    return shifted


def _late(watch: Watch, *, now_us: int) -> list[Found]:
    if not watch.late:
        return []
    waited_us = now_us - watch.late_oldest_us
    if now_us - watch.late_newest_us < SETTLED_US and waited_us < SOON_US:
        return []
    history = not all(live.all() for _, _, _, live in watch.late)
    if now_us - watch.late_newest_us < SETTLED_US and history and waited_us < HISTORY_US:
        return []
    cells = together(watch.late)
    watch.late, watch.late_oldest_us, watch.late_newest_us = [], 0, 0
    return _catch_up(watch, cells)


def _catch_up(watch: Watch, cells: Cells) -> list[Found]:
    """Those who came late are judged; each goes on from where it stood, or begins anew."""
    slots, minutes, micro, live = cells
    spent = micro > 0
    cells = (slots[spent], minutes[spent], micro[spent], live[spent])
    table = watch.spenders
    known = table.columns["active_minutes"][cells[0]] >= RULES.least_active_minutes
    in_order = cells[1] > table.columns["learnt_min"][cells[0]]
    anew = np.unique(cells[0][~known & ~in_order])
    begins = np.isin(cells[0], anew) | (table.columns["learnt_min"][cells[0]] == 0)
    watch.parents.will_change(np.arange(0, len(watch.parents), watch.parents.page_rows))
    found = _run(watch, _only(cells, begins), fresh=True)
    return found + _run(watch, _only(cells, ~begins & in_order), fresh=False)


def _only(cells: Cells, wanted: npt.NDArray[np.bool_]) -> Cells:
    slots, minutes, micro, live = cells
    return slots[wanted], minutes[wanted], micro[wanted], live[wanted]


def _run(watch: Watch, cells: Cells, *, fresh: bool) -> list[Found]:
    """The cells are judged minute by minute, in a page of their own that then stands in for the rows."""
    slots, minutes, micro, live = cells
    if len(slots) == 0:
        return []
    table = watch.spenders
    rows, of_cell = np.unique(slots, return_inverse=True)
    table.will_change(rows)
    page = _page_of(watch, rows, fresh=fresh)
    parents = table.columns["parent"][rows].astype(np.int64)
    detector = Detector(page, parents, watch.shapes(), watch.thresholds_of_parents(), RULES)
    live_from = np.full(len(rows), _NEVER)
    np.minimum.at(live_from, of_cell[live], minutes[live])
    usd = micro.astype(np.float32) * _MICRO
    newest = table.columns["newest"][rows] * (not fresh)
    learnt = table.columns["learnt_min"][rows] * (not fresh)
    said: list[Flag] = []
    unsaid: dict[int, Flag] = {}
    order = np.argsort(minutes, kind="stable")
    minutes_sorted = minutes[order]
    for at_min in _needed(minutes_sorted, before=watch.next_min, ends_hours=fresh):
        first, last = np.searchsorted(minutes_sorted, [at_min, at_min + 1])
        here = order[first:last]
        at = of_cell[here]
        newest[at] = _shifted(newest[at], learnt[at], usd[here], at_min=at_min)
        learnt[at] = at_min
        spending = np.zeros(len(rows), np.float32)
        spending[at] = usd[here]
        for minute in range(at_min - WINDOW_MIN + 1, at_min):
            known = (minute <= learnt) & (minute > learnt - WINDOW_MIN)
            page.recent[minute % WINDOW_MIN] = np.where(known, newest[:, minute % WINDOW_MIN], 0)
        for flag in detector.past_minute(spending, at_min=at_min, ends_hours=fresh):
            if at_min >= live_from[flag.row]:
                said.append(flag)
            elif flag.kind == "spike":
                unsaid[flag.row] = flag
    told = {flag.row for flag in said}
    lasting = (page.opened_min > 0) & (page.hot_min >= live_from)
    said += [flag for row, flag in sorted(unsaid.items()) if lasting[row] and row not in told]
    kept = _put_back(watch, rows, page, (newest, learnt), fresh=fresh)
    return [Found(int(rows[flag.row]), replace(flag, row=int(rows[flag.row]))) for flag in said if kept[flag.row]]


def _needed(minutes: Ints, *, before: int, ends_hours: bool) -> list[int]:
    """The minutes that must be gone through: those with spending; of history also two after each, and ends of hours."""
    wanted = np.unique(minutes)
    if ends_hours:
        after = np.concatenate([minutes + more for more in range(1, WINDOW_MIN)])
        ends = np.arange(int(minutes[0]) // 60 * 60 + 59, before, 60)
        wanted = np.union1d(np.union1d(wanted, after), ends)
    return [int(at_min) for at_min in wanted.tolist() if at_min < before]


def _page_of(watch: Watch, rows: Slots, *, fresh: bool) -> Page:
    """Copies of these rows, of whom nothing is known if they are `fresh`."""
    columns: dict[str, F32] = {}
    for name, kind in KINDS.items():
        held = watch.spenders.columns[name][rows]
        columns[name] = np.full_like(held, kind.fresh).T if fresh and name != "gate_usd" else held.T.copy()
    return Page(**columns)  # type: ignore[arg-type]  # each column has the type of its field


def _put_back(watch: Watch, rows: Slots, page: Page, newest: tuple[F32, I32], *, fresh: bool) -> npt.NDArray[np.bool_]:
    """The rows are what the page says, but those of which more is known already; which they are."""
    table = watch.spenders
    kept: npt.NDArray[np.bool_] = np.ones(len(rows), np.bool_)
    if fresh:
        kept = page.active_minutes > table.columns["active_minutes"][rows]
    for name in KINDS:
        table.columns[name][rows[kept]] = getattr(page, name).T[kept]
    for name, column in zip(("newest", "learnt_min"), newest, strict=True):
        table.columns[name][rows[kept]] = column[kept]
    last = watch.next_min - 1
    for minute in range(last - WINDOW_MIN + 1, last + 1):
        known = (minute <= newest[1]) & (minute > newest[1] - WINDOW_MIN)
        spent = np.where(known, newest[0][:, minute % WINDOW_MIN], 0)
        table.columns["recent"][rows[kept], minute % WINDOW_MIN] = spent[kept]
    return kept
