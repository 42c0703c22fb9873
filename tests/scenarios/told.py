"""The alerts of a story as text: `python -m tests.scenarios.told [--update] [NAME...]` prints or writes them."""

import sys
from collections.abc import Iterable
from decimal import Decimal

from schemas.money import plain
from schemas.signals import Alert, rfc3339
from tests.scenarios.burn_log import alerts, new_lane, run
from tests.scenarios.story import HERE, log_of, policies_of, stories

EXPECTED = "expected.txt"


def told(name: str) -> str:
    """All alerts of a story, one line each, in the order in which they are said."""
    policies = policies_of(HERE / name)
    found = alerts(run(new_lane(policies), log_of(HERE / name, policies).records))
    return "".join(f"{line_of(alert)}\n" for alert in found)


def line_of(alert: Alert) -> str:
    """Log time, transition, what about, how far, and for whom it is meant."""
    about = f"{alert.entity_type}/{alert.entity_id}"
    if alert.budget_id is not None:
        about = f"{alert.budget_id}[{alert.member}]" if alert.member else alert.budget_id
    words = [
        _short(rfc3339(alert.at)),
        f"#{alert.seq}",
        alert.status,
        alert.rule,
        about,
        "" if alert.period_start is None else f"from {_short(rfc3339(alert.period_start))}",
        "" if alert.period_end is None else f"to {_short(rfc3339(alert.period_end))}",
        f"level {alert.level}:",
        f"{plain(alert.value)} / {plain(alert.threshold)} {alert.unit}",
        *_beside(alert),
        alert.severity,
        "notify" if alert.notify else "quiet",
        "" if alert.owner is None else f"-> {alert.owner}",
    ]
    return " ".join(word for word in words if word)


def _beside(alert: Alert) -> Iterable[str]:
    if alert.basis != "actual":
        yield f"({alert.basis})"
    if alert.estimated_usd is not None and alert.estimated_usd != Decimal(0):
        yield f"(estimated {plain(alert.estimated_usd)})"
    if alert.reason is not None:
        yield f"({alert.reason})"


def _short(time: str) -> str:
    """Without what is zero: microseconds, seconds, midnight."""
    text = time.removesuffix("Z").removesuffix(".000000").removesuffix(":00").removesuffix("T00:00")
    return f"{text}Z" if "T" in text else text


def main(arguments: list[str]) -> None:
    """Prints the lines of the named stories, of all where none is named; with `--update` they are the expected ones."""
    names = [name for name in arguments if not name.startswith("--")] or stories()
    for name in names:
        lines = told(name)
        if "--update" in arguments:
            (HERE / name / EXPECTED).write_text(lines)
        sys.stdout.write(f"{name}\n{lines}")


if __name__ == "__main__":
    main(sys.argv[1:])
