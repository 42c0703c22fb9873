"""A stolen key: it suddenly uses a model and a region that it is not known for, both at once.

Laws
1. A new model in a known region is a migration, a known model in a new region a failover: neither is told. The new name
   is known once it was used so in `TRIAL_MIN` different minutes; one cheap call makes nothing known. What policy
   approves by name is known.
2. What is strange on both sides is not learnt before it was told; then it is. Where twenty keys are told of already it
   waits until there is room.
3. No key is judged before it was used in `least_active_minutes` minutes; until then it learns at once. Nothing is told
   below a least amount within ten minutes, or so many calls of which nobody knows the price.
4. A call that does not say its model or region is not judged and makes the other one no better known, but where the key
   never said any: of such a key nothing is known to be new.
"""

from collections.abc import Iterable

from schemas.governance import GovernanceRule
from streams.anomalies.rules import Rules
from streams.patterns import contributors
from streams.patterns.drafts import micro_usd
from streams.patterns.findings import Seen, has_enough, tell
from streams.patterns.in_force import matches
from streams.patterns.rows import Rows
from streams.patterns.state import Finding, KeyUse, PatternsState
from streams.ports import Output

MOST_NAMES = 24
TRIAL_MIN = 30
LEAST_UNPRICED = 10
_RULES = Rules()
_WINDOW_MIN = 10
_MOST_SAID = 3
_MINUTE_US = 60_000_000


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """Keys whose strange use is told with these rows."""
    policies = state.policies
    if policies is None or not rows.has("credential"):
        return []
    outputs: list[Output] = []
    inferred, regions, models = rows.texts("inference_region"), rows.texts("region"), rows.texts("model")
    unpriced, minutes = rows.truth("unpriced"), (rows.ints("ts_us") // _MINUTE_US).tolist()
    for (org, name), places in rows.groups("credential"):
        rule = policies.rule(org)
        key = state.keys.touched((org, name), KeyUse)
        by_use: dict[tuple[str | None, str | None], list[int]] = {}
        for place in places:
            by_use.setdefault((models[place], inferred[place] or regions[place]), []).append(place)
        for (model, region), some in by_use.items():
            if model is None or region is None or not _is_strange(rule, key, model, region):
                _learn(rule, key, model, region, sorted({minutes[place] for place in some}))
                continue
            living = [place for place in some if rows.live[place]]
            if not living:
                continue
            _count(
                key,
                calls=sum(int(rows.events[place]) for place in living),
                micro=sum(rows.cost_pico[place] for place in living) // 1_000_000,
                unpriced=sum(int(rows.events[place]) for place in living if unpriced[place]),
                at_min=minutes[living[0]],
            )
            contributors.add_rows(key.strange_by, rows, living, rows.events, kinds=("team", "agent"))
            if _enough(key) and not has_enough(state, "stolen_key", org):
                outputs += _told(state, (org, name), key, model, region)
                _keep(key.models, key.new_models, model)
                _keep(key.regions, key.new_regions, region)
        for minute in sorted({minutes[place] for place in places}):
            if minute > key.last_min:
                key.active_min, key.last_min = key.active_min + 1, minute
    return outputs


def _judges(rule: GovernanceRule, key: KeyUse) -> bool:
    return rule.enabled and rule.stolen_keys and key.active_min >= _RULES.least_active_minutes


def _is_strange(rule: GovernanceRule, key: KeyUse, model: str, region: str) -> bool:
    if not (_judges(rule, key) and key.models and key.regions):
        return False
    return not _knows_model(rule, key, model) and region not in key.regions


def _knows_model(rule: GovernanceRule, key: KeyUse, model: str | None) -> bool:
    if model is None or model in key.models:
        return model is not None
    return rule.approved_models is not None and matches(model, rule.approved_models)


def _learn(rule: GovernanceRule, key: KeyUse, model: str | None, region: str | None, minutes: list[int]) -> None:
    """Laws 1, 3 and 4."""
    at_once = not _judges(rule, key)
    known_model, known_region = _knows_model(rule, key, model), region in key.regions
    if model is not None and model not in key.models:
        if at_once or not key.regions:
            _keep(key.models, key.new_models, model)
        elif known_region:
            _try(key.models, key.new_models, model, minutes)
    if region is not None and not known_region:
        if at_once or not key.models:
            _keep(key.regions, key.new_regions, region)
        elif known_model:
            _try(key.regions, key.new_regions, region, minutes)


def _keep(known: list[str], new: dict[str, tuple[int, int]], name: str) -> None:
    new.pop(name, None)
    if name not in known:
        known.append(name)
        del known[:-MOST_NAMES]


def _try(known: list[str], new: dict[str, tuple[int, int]], name: str, minutes: Iterable[int]) -> None:
    """The name was used in these minutes beside one that is known."""
    used, last = new.pop(name, (0, 0))
    for minute in minutes:
        if minute > last:
            used, last = used + 1, minute
    new[name] = (used, last)
    if used >= TRIAL_MIN:
        _keep(known, new, name)
    elif len(new) > MOST_NAMES:
        del new[next(iter(new))]


def _count(key: KeyUse, *, calls: int, micro: int, unpriced: int, at_min: int) -> None:
    """So much more strange use, in the ten minutes from the first on."""
    if at_min - key.strange_min >= _WINDOW_MIN:
        key.strange_min, key.strange_micro, key.strange_calls, key.strange_unpriced = at_min, 0, 0, 0
        key.strange_by = {}
    key.strange_micro += micro
    key.strange_calls += calls
    key.strange_unpriced += unpriced


def _enough(key: KeyUse) -> bool:
    enough_usd = float(micro_usd(key.strange_micro)) >= _RULES.stranger_least_usd
    return enough_usd or key.strange_unpriced >= LEAST_UNPRICED


def _told(state: PatternsState, whose: tuple[str, str], key: KeyUse, model: str, region: str) -> list[Output]:
    org, name = whose
    spent = micro_usd(key.strange_micro)
    level = "stranger"
    found = state.findings.touched(("stolen_key", org, "credential", name, level), Finding)
    found.calls += key.strange_calls
    found.micro, found.last_us, found.told = key.strange_micro, state.clock.lead_us, True
    found.first_us, found.by, found.unpriced = key.strange_min * _MINUTE_US, key.strange_by, key.strange_unpriced
    numbers = {
        "window_sec": str(_WINDOW_MIN * 60),
        "active_min": str(key.active_min),
        "known_models": ", ".join(key.models[-_MOST_SAID:]),
        "known_regions": ", ".join(key.regions[-_MOST_SAID:]),
    }
    key.strange_micro = key.strange_calls = key.strange_unpriced = 0
    key.strange_by = {}
    sentence = (
        f"key {name} uses {model} in {region}, and is known for neither in {key.active_min:,} minutes of use: "
        "{calls}; if nobody meant to, revoke it"
    )
    labels = {"model": model, "region": region}
    seen = Seen("stolen_key", level, (org, "credential", name), sentence, labels, severity="critical", numbers=numbers)
    return tell(state, found, seen, spent=spent)
