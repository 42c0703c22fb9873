"""Models that refuse calls (429) because too many are made: since when, and who crowds out whom.

Laws
1. Two generations of five minutes of log time are looked at. Refusals must be enough, a large enough share of calls,
   and in several minutes: a minute of retries says nothing.
2. Named are the key that used most tokens and the one that was refused most often.
"""

from decimal import Decimal

from schemas.periods import instant
from schemas.signals import Alert, rfc3339
from schemas.steps import REFUSED
from streams.burn.messages import output_of
from streams.patterns import drafts
from streams.patterns.contributors import share
from streams.patterns.rows import Rows
from streams.patterns.state import Generation, ModelKey, PatternsState, Throttle
from streams.ports import Output

GENERATION_US = 300_000_000
LEAST_REFUSED = 30
LEAST_MINUTES = 4
MOST_KEYS = 32
_MINUTE_US = 60_000_000


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """Models that are found to refuse too much with these rows. Those that never refuse are not remembered."""
    if not rows.has("http_status"):
        return []
    status = rows.ints("http_status").tolist()
    outputs: list[Output] = []
    keys = rows.texts("credential")
    tokens = (rows.ints("input_tokens") + rows.ints("output_tokens")).tolist()
    for (org, provider, model), places in rows.groups("provider", "model", within=rows.live):
        name = (org, provider, model)
        refused = [place for place in places if status[place] == REFUSED]
        if not refused and name not in state.throttles:
            continue
        held = state.throttles.touched(name, Throttle)
        now = _now(held, state.clock.lead_us)
        now.calls += int(rows.events[places].sum())
        now.refused += int(rows.events[refused].sum())
        now.tokens += sum(tokens[place] for place in places)
        minute = state.clock.lead_us // _MINUTE_US
        if refused and minute not in now.minutes:
            now.minutes.append(minute)
        for place in places:
            key = keys[place]
            if key is not None and (key in now.keys or len(now.keys) < MOST_KEYS):
                used, no = now.keys.get(key, (0, 0))
                now.keys[key] = (used + tokens[place], no + (status[place] == REFUSED))
        alert = _judge(state, name, held)
        fired = None if alert is None else state.episodes.fire(alert)
        outputs += [] if fired is None else [output_of(fired)]
    return outputs


def _now(held: Throttle, lead_us: int) -> Generation:
    """The generation of now; only it and the one before are kept."""
    number = lead_us // GENERATION_US
    held.generations = [one for one in held.generations if one.number >= number - 1]
    if not held.generations or held.generations[-1].number < number:
        held.generations.append(Generation(number))
    return held.generations[-1]


def _judge(state: PatternsState, name: ModelKey, held: Throttle) -> Alert | None:
    org, provider, model = name
    calls, refused = sum(one.calls for one in held.generations), sum(one.refused for one in held.generations)
    minutes = sum(len(one.minutes) for one in held.generations)
    rule = None if state.policies is None else state.policies.rule(org)
    if rule is None or not rule.enabled or refused < LEAST_REFUSED or minutes < LEAST_MINUTES:
        return None
    if Decimal(refused) <= calls * rule.most_throttled_share:
        return None
    minute = min(minute for one in held.generations for minute in one.minutes)
    who = _who(held)
    return drafts.finding(
        state,
        rule="throttled",
        level=provider,
        subject=(org, "model", model),
        value=Decimal(refused),
        threshold=calls * rule.most_throttled_share,
        unit="count",
        labels={"provider": provider},
        evidence={
            "since": rfc3339(instant(minute * _MINUTE_US)),
            "window_sec": str(2 * GENERATION_US // 1_000_000),
            "calls": str(calls),
            "refused": str(refused),
            **who,
        },
        message=f"{provider} refuses {refused:,} of {calls:,} calls of {model} (429){_words(who)}",
    )


def _words(who: dict[str, str]) -> str:
    said = [f"key {who['crowding']} uses most of it"] if "crowding" in who else []
    said += [f"key {who['crowded']} is refused most often"] if "crowded" in who else []
    return f"; {', '.join(said)}" if said else ""


def _who(held: Throttle) -> dict[str, str]:
    """The key that used most tokens, and the one that was refused most often, with their shares; where any did."""
    sums: dict[str, tuple[int, int]] = {}
    for one in held.generations:
        for key, (used, no) in one.keys.items():
            before = sums.get(key, (0, 0))
            sums[key] = (before[0] + used, before[1] + no)
    if not sums:
        return {}
    uses, suffers = max(sorted(sums), key=lambda key: sums[key][0]), max(sorted(sums), key=lambda key: sums[key][1])
    tokens, refused = sum(one.tokens for one in held.generations), sum(one.refused for one in held.generations)
    found = {"crowding": uses, "crowding_share": share(sums[uses][0], tokens)} if sums[uses][0] else {}
    return found | ({"crowded": suffers, "crowded_share": share(sums[suffers][1], refused)} if sums[suffers][1] else {})


def resolve(state: PatternsState, *, floor_us: int) -> list[Output]:
    """Closing alerts of models that refuse no more; those without a refusal for two generations are forgotten."""
    oldest = floor_us // GENERATION_US - 1
    over = {name for name, held in state.throttles.items() if not _refuses(held, oldest)}
    for name in over:
        del state.throttles[name]
    at = instant(state.clock.lead_us)
    outputs = []
    for key in state.episodes.of_rule("throttled"):
        name = (key[1], key[5], key[2].partition("/")[2])
        if name not in state.throttles:
            because = "no call is refused any more" if name in over else "too many models refuse calls"
            outputs.append(output_of(state.episodes.resolve(key, at=at, why="calmed_down", because=because)))
    return outputs


def _refuses(held: Throttle, oldest: int) -> bool:
    return any(one.refused and one.number >= oldest for one in held.generations)
