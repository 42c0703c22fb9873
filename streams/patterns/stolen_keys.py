"""A stolen key: it suddenly uses a model and a region that it never used, both at once.

Laws, those of `streams/anomalies/strangers.py`, with names instead of codes:
1. A new model in a known region is a migration, a known model in a new region a failover: both are learnt at once. What
   policy approves by name is no stranger.
2. What is strange on both sides is not learnt before it was told; then it is.
3. No key is judged before it was used in `least_active_minutes` minutes, and nothing is told below a least amount
   within ten minutes. A call that does not say its region is not judged.
"""

from streams.anomalies.rules import Rules
from streams.patterns.drafts import micro_usd
from streams.patterns.findings import Seen, tell
from streams.patterns.in_force import InForceHere, matches
from streams.patterns.rows import Rows
from streams.patterns.state import MOST_FINDINGS, MOST_KEYS, Finding, KeyUse, PatternsState, touched
from streams.ports import Output

MOST_NAMES = 24
_RULES = Rules()
_WINDOW_MIN = 10
_MINUTE_US = 60_000_000


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """Keys whose strange use is told with these rows."""
    policies = state.policies
    if policies is None or not rows.has("credential"):
        return []
    outputs: list[Output] = []
    inferred, regions, models = rows.texts("inference_region"), rows.texts("region"), rows.texts("model")
    minutes = (rows.ints("ts_us") // _MINUTE_US).tolist()
    for (org, name), places in rows.groups("credential"):
        key = touched(state.keys, (org, name), KeyUse, most=MOST_KEYS)
        by_use: dict[tuple[str, str | None], list[int]] = {}
        for place in places:
            by_use.setdefault((models[place] or "", inferred[place] or regions[place]), []).append(place)
        for (model, region), some in by_use.items():
            strange = _is_strange(policies, org, key, model, region)
            if strange and not any(rows.live[place] for place in some):
                continue
            if not strange:
                _learn(key, model, region)
                continue
            micro = sum(rows.cost_pico[place] for place in some if rows.live[place]) // 1_000_000
            if _enough(key, micro, at_min=minutes[some[0]]):
                outputs += _told(state, (org, name), key, model, region or "")
                _learn(key, model, region)
        for minute in sorted({minutes[place] for place in places}):
            if minute > key.last_min:
                key.active_min, key.last_min = key.active_min + 1, minute
    return outputs


def _is_strange(policies: InForceHere, org: str, key: KeyUse, model: str, region: str | None) -> bool:
    rule = policies.rule(org)
    if region is None or not key.models or key.active_min < _RULES.least_active_minutes:
        return False
    if model in key.models or region in key.regions or not (rule.enabled and rule.stolen_keys):
        return False
    return rule.approved_models is None or not matches(model, rule.approved_models)


def _enough(key: KeyUse, micro: int, *, at_min: int) -> bool:
    if at_min - key.strange_min >= _WINDOW_MIN:
        key.strange_min, key.strange_micro = at_min, 0
    key.strange_micro += micro
    return float(micro_usd(key.strange_micro)) >= _RULES.stranger_least_usd


def _learn(key: KeyUse, model: str, region: str | None) -> None:
    if model not in key.models:
        key.models.append(model)
        del key.models[:-MOST_NAMES]
    if region is not None and region not in key.regions:
        key.regions.append(region)
        del key.regions[:-MOST_NAMES]


def _told(state: PatternsState, whose: tuple[str, str], key: KeyUse, model: str, region: str) -> list[Output]:
    org, name = whose
    spent = micro_usd(key.strange_micro)
    level = "stranger"
    found = touched(state.findings, ("stolen_key", org, "credential", name, level), Finding, most=MOST_FINDINGS)
    found.calls, found.micro, found.last_us, found.told = found.calls + 1, key.strange_micro, state.clock.lead_us, True
    key.strange_micro = 0
    sentence = (
        f"key {name} uses {model} in {region}, and never used either in {key.active_min:,} minutes of use: "
        f"{{spent}} USD; if nobody meant to, revoke it"
    )
    labels = {"model": model, "region": region}
    seen = Seen("stolen_key", level, (org, "credential", name), sentence, labels, severity="critical")
    return tell(state, found, seen, spent=spent)
