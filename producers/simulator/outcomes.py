"""What came of the simulated day: changes of agents, tickets of support, leads of sales; and what that cost. Pure.

Laws
1. What it cost is told from the calls themselves, in whole pico-USD: all calls of a run, for the change that it led to.
2. Nothing comes of what is not over yet: each outcome lies between the last call that led to it and the day's end.
What a use case brings is the company's own guess, the same for each success; refactoring brings it next to nothing,
mails of sales a lot.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from producers.simulator.call import Call
from producers.simulator.company import ORG
from producers.simulator.dice import Dice
from producers.simulator.shape import DAY_US

_AFTER_US = 60_000_000
_PLACES = ("business_unit", "cost_center", "team", "project", "user", "agent", "use_case")
Said = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bringing:
    """What a use case brings: a type of outcome per `of` (run or session), succeeding so often, at so much each."""

    use_case: str
    of: str
    outcome_type: str
    success_milli: int
    value_usd: str
    minutes_claimed: str


_TABLE = """
# use case      of       outcome          success  value  minutes claimed
pull-requests   run      merged           640      4.50   20
refactoring     session  merged           250      0.05   45
emails          session  qualified_lead   150      8.00   5
answers         session  resolved_ticket  780      0.60   4
"""
_ROWS = [row.split() for row in _TABLE.strip().splitlines()[1:]]
_OF = {
    (use_case, of): Bringing(
        use_case=use_case, of=of, outcome_type=kind, success_milli=int(milli), value_usd=value, minutes_claimed=minutes
    )
    for use_case, of, kind, milli, value, minutes in _ROWS
}


@dataclass
class _Work:
    """The calls of a run or session: whose it was, when it ended, what it cost where that is known."""

    bringing: Bringing
    data: Said
    ended_us: int = 0
    pico_usd: int = 0


def outcomes_of(
    calls: Iterable[Call], costs: Sequence[int | None], *, seed: int
) -> tuple[list[tuple[int, Said]], Said]:
    """What came of the calls, each with when (microseconds of the day), and what that cost: `merged` and all."""
    works: dict[tuple[str, str], _Work] = {}
    made = list(calls)
    for call in made:
        for place in ("run", "session"):
            bringing = _OF.get((call.data.get("use_case", ""), place))
            if bringing is not None and place in call.data:
                works.setdefault((place, call.data[place]), _Work(bringing, call.data))
    for call, cost in zip(made, costs, strict=True):
        for place in ("run", "session"):
            work = works.get((place, call.data.get(place, "")))
            if work is not None:
                work.ended_us = max(work.ended_us, call.at_us + call.took_us)
                work.pico_usd += cost or 0
    dice = Dice(seed, "outcomes")
    found: list[tuple[int, Said]] = []
    sums: dict[str, dict[str, int]] = defaultdict(lambda: {"outcomes": 0, "succeeded": 0, "cost_pico_usd": 0})
    for number, ((place, name), work) in enumerate(sorted(works.items())):
        at_us = work.ended_us + dice.between(_AFTER_US, 10 * _AFTER_US)
        succeeded = dice.chance(work.bringing.success_milli)
        if at_us >= DAY_US:
            continue
        found.append((at_us, _said(number, work, succeeded=succeeded) | {place: name}))
        line = sums[work.bringing.outcome_type]
        line["outcomes"] += 1
        line["succeeded"] += succeeded
        line["cost_pico_usd"] += work.pico_usd
    return sorted(found, key=lambda one: one[0]), {kind: dict(line) for kind, line in sorted(sums.items())}


def _said(number: int, work: _Work, *, succeeded: bool) -> Said:
    said: Said = {"org": ORG, "outcome_type": work.bringing.outcome_type, "accepted": succeeded}
    said |= {name: work.data[name] for name in _PLACES if name in work.data}
    if work.bringing.outcome_type == "merged":
        said["artifact"] = f"github/{ORG}/{work.data['project']}/{number}"
    if succeeded:
        said |= {"value_usd": work.bringing.value_usd, "minutes_claimed": work.bringing.minutes_claimed}
    return said
