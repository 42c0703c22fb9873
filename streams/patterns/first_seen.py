"""Models, providers, regions, keys and agents that an organisation never used before, once they cost something.

Laws
1. What is used in the first `SETTLE_US` of log time in which an organisation names models (providers ...) is known, and
   so is what old events name, what the directory holds, and what was used for that long without costing much: names
   with a slip cost nothing.
2. A new name is told once, when its live calls have cost the rule's least amount: `info`, notifies nobody. It is over a
   day later.
3. At most `MOST_A_DAY` are told of an organisation on a day of log time (UTC); the others are known.
4. Of a kind with more than `MOST_NAMES` names nothing is known to be new for `TOO_MANY_US`; then it is learnt again.
5. Where policy has a list of a kind, the list decides (registry.py), and nothing is told here.
"""

import numpy as np

from schemas.directory import UNATTRIBUTED
from schemas.governance import GovernanceRule
from schemas.money import join_pico_usd, split_pico_usd, usd
from streams.patterns import contributors
from streams.patterns.findings import Seen, has_enough, tell
from streams.patterns.rows import Bools, Rows
from streams.patterns.state import Finding, NameUse, PatternsState
from streams.ports import Output

DAY_US = 86_400_000_000
SETTLE_US = 7 * DAY_US
MOST_A_DAY = 5
MOST_NAMES = 1000
TOO_MANY_US = 30 * DAY_US
_COLUMNS = (
    ("provider", "provider"),
    ("model", "model"),
    ("region", "inference_region"),
    ("region", "region"),
    ("credential", "credential"),
    ("agent", "agent"),
)


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """New names whose cost is told with these rows."""
    policies, lead_us = state.policies, state.clock.lead_us
    if policies is None:
        return []
    outputs: list[Output] = []
    of_org, orgs = rows.codes("org")
    for kind, column in _COLUMNS:
        codes, words = rows.codes(column)
        named = (codes >= 0) & (column != "region" or rows.codes("inference_region")[0] < 0)
        pairs = of_org * len(words) + codes
        kinds: dict[str, NameUse] = {}
        for pair in np.unique(pairs[named]).tolist():
            org, name = orgs[pair // len(words)], words[pair % len(words)]
            if org not in kinds:
                kinds[org] = _kind(state, org, kind)
            if (whole := kinds[org]).known:
                continue
            subject = (org, kind, name)
            use = state.names.touched(subject, lambda: NameUse(lead_us))
            if use.known:
                continue
            if use.calls == 0:
                whole.calls += 1
                whole.known = whole.calls > MOST_NAMES
                whole.first_us = lead_us if whole.known else whole.first_us
            some = named & (pairs == pair)
            rule = policies.rule(org)
            is_settling = lead_us < whole.first_us + SETTLE_US or lead_us > use.first_us + SETTLE_US
            is_expected = subject in policies.registered or name == UNATTRIBUTED or bool((some & ~rows.live).any())
            if is_settling or is_expected or not asks(rule, kind):
                use.known, use.by = True, {}
                continue
            _add(use, rows, some)
            if usd(join_pico_usd(use.micro, use.pico)) >= rule.first_seen_least_usd:
                use.known = True
                outputs += _told(state, subject, use, days=(lead_us - whole.first_us) // DAY_US)
                use.by = {}
    return outputs


def _kind(state: PatternsState, org: str, kind: str) -> NameUse:
    """All names of a kind as one: since when they are learnt, how many there are (`calls`); known = too many."""
    lead_us = state.clock.lead_us
    whole = state.names.touched((org, kind, ""), lambda: NameUse(lead_us))
    if whole.known and lead_us >= whole.first_us + TOO_MANY_US:
        whole.known, whole.first_us, whole.calls = False, lead_us, 0
    return whole


def _add(use: NameUse, rows: Rows, some: Bools) -> None:
    """These calls are the name's, at their exact cost."""
    places = np.flatnonzero(some).tolist()
    use.calls += int(rows.events[some].sum())
    contributors.add_rows(use.by, rows, places, rows.events)
    cost_pico = sum(rows.cost_pico[at] for at in places)
    use.micro, use.pico = split_pico_usd(join_pico_usd(use.micro, use.pico) + cost_pico)


def _told(state: PatternsState, subject: tuple[str, str, str], use: NameUse, *, days: int) -> list[Output]:
    """The alert of a name that costs, after so many days of learning; nothing where enough were told."""
    (org, kind, name), lead_us = subject, state.clock.lead_us
    today = state.names.touched((org, "", ""), lambda: NameUse(lead_us))
    if today.day != lead_us // DAY_US:
        today.day, today.told = lead_us // DAY_US, 0
    if today.told >= MOST_A_DAY or has_enough(state, "first_seen", org):
        return []
    today.told += 1
    found = state.findings.touched(("first_seen", *subject, kind), Finding)
    found.calls, found.micro, found.pico, found.last_us, found.told = use.calls, use.micro, use.pico, lead_us, True
    found.first_us, found.by = use.first_us, use.by
    sentence = f"{kind} {name} was never used before in {days} days of learning: {{calls}}"
    seen = Seen("first_seen", kind, subject, sentence, {}, severity="info", numbers={"learnt_days": str(days)})
    return tell(state, found, seen, spent=usd(join_pico_usd(use.micro, use.pico)))


def asks(rule: GovernanceRule, kind: str) -> bool:
    """Whether new names of the kind are told: the rule is on, and no list of policy decides about them."""
    listed = kind in rule.registered or getattr(rule, f"approved_{kind}s", None) is not None
    return rule.enabled and rule.first_seen and not listed
