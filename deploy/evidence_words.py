"""The evidence of an alert in words: what is usual, how unusual this is, since when, and who made it. Pure.

Every number that stands in the evidence is said once: what has no words of its own stands among the `numbers`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from deploy.moments import in_utc
from schemas.evidence import MEANING

_UNITS = {"usd": " USD", "usd_per_hour": " USD/h", "count": "", "tokens": " tokens", "requests": " requests"}
_LENGTHS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_BY = [name for name in MEANING if name.startswith("by_")]


def lines(evidence: Mapping[str, str], unit: str) -> Iterator[str]:
    """A line for each thing that there is to say, its name in front; nothing of what the evidence does not have."""
    rest = dict(evidence)
    yield from _said("expected", _usual(rest, unit))
    yield from _said("score", _score(rest))
    yield from _said("since", _time(rest))
    yield from _said("looked at", length(int(rest.pop("window_sec"))) if "window_sec" in rest else "")
    yield from _said("by", "; ".join(f"{name[3:]} {rest.pop(name)}" for name in _BY if name in rest))
    yield from _said("with it", rest.pop("rose_too", ""))
    yield from _said("crowded", _crowded(rest))
    yield from _said("known", _known(rest))
    yield from _said("planned", rest.pop("planned", ""))
    yield from _said("numbers", ", ".join(f"{name} {value}" for name, value in rest.items()))


def _said(name: str, text: str) -> Iterator[str]:
    if text:
        yield f"{name:<11}{text}"


def _usual(rest: dict[str, str], unit: str) -> str:
    return f"{rest.pop('expected')}{_UNITS.get(unit, '')} is usual" if "expected" in rest else ""


def _score(rest: dict[str, str]) -> str:
    found = [rest.pop("score")] if "score" in rest else []
    if "fires_at" in rest:
        found.append(f"told from {rest.pop('fires_at')} on")
    if "chance" in rest:
        found.append(f"by chance {float(rest.pop('chance')):.2g} (p-value)")
    return ", ".join(found)


def _time(rest: dict[str, str]) -> str:
    found = []
    for name, word in (("since", ""), ("until", "until "), ("began", "the run began ")):
        if name in rest:
            found.append(f"{word}{in_utc(datetime.fromisoformat(rest.pop(name))):%Y-%m-%d %H:%M:%S}Z")
    return ", ".join(found)


def _crowded(rest: dict[str, str]) -> str:
    found = []
    for name, what in (("crowding", "uses {} of the tokens"), ("crowded", "is refused {} of the times")):
        if name in rest:
            key, share = rest.pop(name), rest.pop(f"{name}_share", None)
            found.append(f"key {key} {what.format('most' if share is None else share)}")
    return ", ".join(found)


def _known(rest: dict[str, str]) -> str:
    found = [f"{name[6:]} {rest.pop(name)}" for name in ("known_models", "known_regions") if name in rest]
    if "active_min" in rest:
        found.append(f"in {rest.pop('active_min')} minutes of use")
    return "; ".join(found)


def length(sec: int) -> str:
    """A length of time in the greatest unit that it is a whole number of: 3 min, 28 d."""
    size, name = next((one for one in _LENGTHS if sec % one[0] == 0), _LENGTHS[-1])
    return f"{sec // size} {name}"
