"""Findings of governance: what was seen that should not be, how often, and when last. Each opens one episode.

Laws
1. A finding that is not seen again for a day of log time is over, at the floor.
2. At most `MOST_TOLD` findings of a rule are told of an organisation at a time: whoever makes names up floods nobody.
   The others are counted, and told when there is room.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from schemas.money import plain, usd
from schemas.periods import instant
from schemas.signals import rfc3339
from streams.burn.messages import output_of
from streams.patterns import contributors, drafts
from streams.patterns.rows import Rows
from streams.patterns.state import Finding, FindingKey, PatternsState
from streams.ports import Output

DAY_US = 86_400_000_000
MOST_TOLD = 20
RULES = ("stolen_key", "unapproved", "unregistered", "sovereignty", "claimed_identity", "shared_at_once", "first_seen")


class Seen(msgspec.Struct, frozen=True):
    """What is to be told of a finding; `{calls}` in the sentence becomes how many they are, and what they cost."""

    rule: str
    level: str
    subject: tuple[str, str, str]
    sentence: str
    labels: dict[str, str]
    severity: Literal["info", "warning", "critical"] = "warning"
    least_calls: int = 1
    numbers: dict[str, str] = {}
    """Evidence beside what every finding has."""


def see(
    state: PatternsState, rows: Rows, places: list[int], seen: Seen, *, begun: Finding | None = None
) -> list[Output]:
    """The rows belong to the finding; its alert where it opens now. Old events count for nothing.

    `begun`: what was counted of it before it was one.
    """
    living = [place for place in places if rows.live[place]]
    if not living:
        return []
    key: FindingKey = (seen.rule, *seen.subject, seen.level)
    found = state.findings.touched(key, lambda: begun or Finding())
    add(found, rows, living)
    found.last_us = state.clock.lead_us
    if found.calls < seen.least_calls or found.told or has_enough(state, seen.rule, seen.subject[0]):
        return []
    found.told = True
    return tell(state, found, seen, spent=usd(found.micro * 1_000_000 + found.pico))


def add(found: Finding, rows: Rows, living: list[int]) -> None:
    """These live rows are of it, too."""
    found.calls += sum(int(rows.events[place]) for place in living)
    if not found.told:
        first_us = int(rows.ints("ts_us")[living].min())
        found.first_us = min(found.first_us or first_us, first_us)
        contributors.add_rows(found.by, rows, living, rows.events)
        unpriced = rows.truth("unpriced")
        found.unpriced += sum(int(rows.events[place]) for place in living if unpriced[place])
    cost = found.micro * 1_000_000 + found.pico + sum(rows.cost_pico[place] for place in living)
    found.micro, found.pico = divmod(cost, 1_000_000)


def has_enough(state: PatternsState, rule: str, org: str) -> bool:
    """Whether no more of the rule may be told of the organisation before something of it is over."""
    return state.episodes.count(rule, org, told=False) >= MOST_TOLD


def tell(state: PatternsState, found: Finding, seen: Seen, *, spent: Decimal) -> list[Output]:
    """The alert of a finding, with its numbers."""
    alert = drafts.finding(
        state,
        rule=seen.rule,
        level=seen.level,
        subject=seen.subject,
        value=Decimal(found.calls),
        threshold=Decimal(seen.least_calls),
        unit="count",
        labels=seen.labels,
        severity=seen.severity,
        evidence={
            "since": rfc3339(instant(found.first_us)),
            "calls": str(found.calls),
            **({"cost_usd": plain(spent)} if found.unpriced < found.calls else {}),
            **({"unpriced_calls": str(found.unpriced)} if found.unpriced else {}),
            **seen.numbers,
            **contributors.named(found.by, found.calls, but=seen.subject[1]),
        },
        message=seen.sentence.replace("{calls}", _calls(found, spent)),
    )
    found.by, found.unpriced = {}, 0
    fired = state.episodes.fire(drafts.owned(state, alert))
    return [] if fired is None else [output_of(fired)]


def _calls(found: Finding, spent: Decimal) -> str:
    """How many calls, and what they cost; a cost that nobody knows is no zero."""
    calls = "1 call" if found.calls == 1 else f"{found.calls:,} calls"
    if found.unpriced >= found.calls:
        return f"{calls} without a known price"
    unknown = f", {found.unpriced:,} of them without a known price" if found.unpriced else ""
    return f"{calls} for {drafts.cents(spent)} USD{unknown}"


def resolve(state: PatternsState, *, floor_us: int) -> list[Output]:
    """Closing alerts of what was not seen for a day; such findings are forgotten."""
    over = {key for key, found in state.findings.items() if found.last_us <= floor_us - DAY_US}
    for key in over:
        del state.findings[key]
    at = instant(state.clock.lead_us)
    outputs = []
    for rule in RULES:
        for episode in state.episodes.of_rule(rule):
            kind, _, name = episode[2].partition("/")
            key = (rule, episode[1], kind, name, episode[5])
            if key not in state.findings:
                because = "not seen for a day" if key in over else "more is found than can be remembered"
                outputs.append(output_of(state.episodes.resolve(episode, at=at, why="calmed_down", because=because)))
    return outputs
