"""The spending around an anomaly, step by step, with what was expected and from what on it is told. Pure.

The band is what the alert says: from nothing to `told_from`, with `expected` in it; it is that of the moment at which
the alert fired, whatever the hour of a step. What is found in single calls (runs, keys, names) has no band: it is told
of for what it does, at whatever rate.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from deploy.moments import in_utc
from schemas.periods import instant, micros
from schemas.signals import rfc3339
from sinks.anomaly_questions import DRAWN

Json = Mapping[str, Any]
RULES = ("spike", "leak", "silence")
"""The rules with a band."""
OF_CALLS = (
    "runaway", "dear_run", "stolen_key", "shared_at_once", "shared_credential", "first_seen", "unapproved",
    "unregistered", "throttled",
)  # fmt: skip
STEPS_SEC = (60, 300, 900, 3600)
MOST_STEPS = 48
WIDTH = 50
_BEFORE = {"spike": timedelta(minutes=20), "leak": timedelta(hours=12), "silence": timedelta(hours=3)}
_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Around:
    """Which time to show, in whole steps; `since_us` is a multiple of the step."""

    since_us: int
    until_us: int
    step_sec: int


def around(fired: Json, transitions: Sequence[Json], *, now: datetime) -> Around | None:
    """What to show of an anomaly, as far as it is known `now`; None for other alerts, and kinds that no event names."""
    if fired["rule"] not in {*RULES, *OF_CALLS} or fired["entity_type"] not in DRAWN:
        return None
    said = fired["evidence"].get("since")
    began = datetime.fromisoformat(said) if said else in_utc(fired["at"])
    since = began - _BEFORE.get(fired["rule"], _BEFORE["spike"])
    said_last = max(in_utc(one["at"]) for one in transitions)
    until = max(said_last, min(said_last + _AFTER, now))
    length_sec = (until - since).total_seconds()
    step_sec = next((step for step in STEPS_SEC if length_sec / step <= MOST_STEPS), STEPS_SEC[-1])
    step_us = step_sec * 1_000_000
    last_us = -(-micros(until) // step_us) * step_us
    return Around(max(micros(since) // step_us * step_us, last_us - MOST_STEPS * step_us), last_us, step_sec)


def series(window: Around, fired: Json, rows: Iterable[Json]) -> dict[str, Any]:
    """For scripts: `steps` (start and USD per hour, idle ones too), `expected` and `told_from` likewise, or null.

    What was spent in a step is null where none of its calls has a known cost.
    """
    spent = {int(row["t"]): row["usd"] for row in rows}
    step_us, per_hour = window.step_sec * 1_000_000, 3600 / window.step_sec
    starts_us = range(window.since_us, window.until_us, step_us)
    banded = fired["rule"] in RULES
    expected = fired["evidence"].get("expected") if banded else None
    return {
        "step_sec": window.step_sec,
        "expected": None if expected is None else float(expected),
        "told_from": float(fired["threshold"]) if banded else None,
        "steps": [
            {"t": rfc3339(instant(at_us)), "usd_per_hour": None if usd is None else round(float(usd) * per_hour, 6)}
            for at_us, usd in ((at_us, spent.get(at_us // 1_000_000, 0)) for at_us in starts_us)
        ],
    }


def lines(told: Json) -> Iterator[str]:
    """The series as text, a step a line: `#` what was spent, `.` up to where it is not told, `|` what was expected."""
    steps, banded = told["steps"], told["told_from"] is not None
    expected, told_from = told["expected"] or 0.0, told["told_from"] or 0.0
    most = max([told_from, expected, *(step["usd_per_hour"] or 0.0 for step in steps)])
    if most <= 0:
        return
    band_said = f"; | expected {expected:.2f}, . not told up to {told_from:.2f}" if banded else ""
    yield f"USD/h, each {told['step_sec'] // 60} min{band_said}"
    mark = min(int(expected / most * WIDTH), WIDTH - 1)
    band = min(ceil(told_from / most * WIDTH), WIDTH)
    for step in steps:
        spent = step["usd_per_hour"] or 0.0
        bar = min(ceil(spent / most * WIDTH), WIDTH)
        cells = ["#" if at < bar else "." if at < band else " " for at in range(WIDTH)]
        if banded:
            cells[mark] = "|"
        over = " <" if banded and spent > told_from else ""
        number = f"{spent:10.2f}" if step["usd_per_hour"] is not None else f"{'not known':>10}"
        yield f"{step['t'][:16].replace('T', ' ')}  {''.join(cells).rstrip():<{WIDTH}} {number}{over}"
