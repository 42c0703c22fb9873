"""Shares of a day's spending: what belongs to nobody, and what has no known price.

Laws
1. The day is the last 24 hours of log time, in cells of an hour; every live event counts, named or not.
2. Where an organisation has a rule of governance a share is judged each minute at the floor. It opens one episode,
   which ends when it is met again. There, too, is counted which agents and models the missing share is of.
"""

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from schemas.governance import GovernanceRule
from schemas.money import plain
from schemas.periods import instant
from schemas.signals import Alert, rfc3339
from streams.burn.messages import output_of
from streams.patterns import drafts
from streams.patterns.contributors import KINDS, Tally, add, joined, named
from streams.patterns.rows import Ints, Rows
from streams.patterns.state import Day, PatternsState
from streams.ports import Output

HOURS = 24
LEAST_UNPRICED = 100
_HOUR_US = 3_600_000_000


def take(state: PatternsState, rows: Rows) -> None:
    """The rows are in the day of their organisation."""
    hour = state.clock.lead_us // _HOUR_US
    owned, unpriced = rows.truth("owned"), rows.truth("unpriced")
    micro = rows.ints("cost_micro_usd")
    for (org,), places in rows.groups(within=rows.live):
        some = np.array(places)
        events, cost = rows.events[some], micro[some]
        day = state.days.setdefault(org, Day())
        if not day.hours or day.hours[-1][0] < hour:
            day.hours.append((hour, 0, 0, 0, 0))
        at, calls, without, spent, nobodys = day.hours[-1]
        day.hours[-1] = (
            at,
            calls + int(events.sum()),
            without + int(events[unpriced[some]].sum()),
            spent + int(cost.sum()),
            nobodys + int(cost[~owned[some]].sum()),
        )
        if state.policies is not None and org in state.policies.governance:
            _who(day.nobodys.setdefault(hour, {}), rows, some[~owned[some]], micro, ("agent", "model"))
            _who(day.unpriced.setdefault(hour, {}), rows, some[unpriced[some]], rows.events, KINDS)


def _who(tally: Tally, rows: Rows, places: Ints, amounts: Ints, kinds: Iterable[str]) -> None:
    """The rows of these places are counted by name, a column at once: there may be thousands of them."""
    for kind in kinds if len(places) else ():
        codes, words = rows.codes(kind)
        sums = np.zeros(len(words) + 1, np.int64)
        np.add.at(sums, codes[places], amounts[places])  # what names nobody is -1, the last
        for at in np.flatnonzero(sums[:-1]).tolist():
            add(tally, kind, words[at], int(sums[at]))


def judge(state: PatternsState, *, floor_us: int) -> list[Output]:
    """What opens and what ends at this floor."""
    if state.policies is None:
        return []
    outputs: list[Output] = []
    first = floor_us // _HOUR_US - HOURS
    for org in sorted(state.days):
        day = state.days[org]
        day.hours = [one for one in day.hours if one[0] > first]
        day.nobodys, day.unpriced = (
            {hour: tally for hour, tally in held.items() if hour > first} for held in (day.nobodys, day.unpriced)
        )
        calls, without, spent, nobodys = (sum(one[at] for one in day.hours) for at in range(1, 5))
        rule = state.policies.governance.get(org)
        if rule is None:
            continue
        found = {
            "ownership": _ownership(state, org, rule, day, spent, nobodys),
            "unpriced_share": _unpriced(state, org, rule, day, calls, without),
        }
        for name, alert in found.items():
            outputs += _say(state, org, name, alert)
    state.days = {org: day for org, day in state.days.items() if day.hours}
    return outputs


def _say(state: PatternsState, org: str, rule: str, alert: Alert | None) -> list[Output]:
    key = (rule, org, f"org/{org}", "", "", "share")
    if alert is not None:
        fired = state.episodes.fire(alert)
        return [] if fired is None else [output_of(fired)]
    if key not in state.episodes.open:
        return []
    at = instant(state.clock.lead_us)
    return [output_of(state.episodes.resolve(key, at=at, why="calmed_down", because="the share is met again"))]


def _window(day: Day) -> dict[str, str]:
    """Since when it is counted: the first hour of the last day with a call."""
    return {"since": rfc3339(instant(day.hours[0][0] * _HOUR_US)), "window_sec": str(HOURS * 3600)}


def _ownership(  # noqa: PLR0913, PLR0917  a day and its sums
    state: PatternsState, org: str, rule: GovernanceRule, day: Day, spent: int, nobodys: int
) -> Alert | None:
    all_usd, open_usd = drafts.micro_usd(spent), drafts.micro_usd(nobodys)
    allowed = all_usd * (1 - rule.least_owned_share)
    if not rule.enabled or open_usd < rule.owned_least_usd or open_usd <= allowed:
        return None
    return drafts.finding(
        state,
        rule="ownership",
        level="share",
        subject=(org, "org", org),
        value=open_usd,
        threshold=max(allowed, rule.owned_least_usd),
        unit="usd",
        evidence={
            **_window(day),
            "spent_usd": plain(all_usd),
            "owned_share": f"{1 - float(open_usd / all_usd):.4f}",
            **named(joined(day.nobodys.values()), nobodys),
        },
        message=f"{drafts.cents(open_usd)} of {drafts.cents(all_usd)} USD of the last day belong to no team and no "
        f"user; policy wants {float(rule.least_owned_share):.1%} to belong to somebody",
    )


def _unpriced(  # noqa: PLR0913, PLR0917  a day and its sums
    state: PatternsState, org: str, rule: GovernanceRule, day: Day, calls: int, without: int
) -> Alert | None:
    if not rule.enabled or without < LEAST_UNPRICED or Decimal(without) <= calls * rule.most_unpriced_share:
        return None
    return drafts.finding(
        state,
        rule="unpriced_share",
        level="share",
        subject=(org, "org", org),
        value=Decimal(without),
        threshold=calls * rule.most_unpriced_share,
        unit="count",
        evidence={
            **_window(day),
            "calls": str(calls),
            "unpriced_share": f"{without / calls:.4f}",
            **named(joined(day.unpriced.values()), without),
        },
        message=f"{without:,} of {calls:,} calls of the last day have no known price, so budgets do not see them",
    )
