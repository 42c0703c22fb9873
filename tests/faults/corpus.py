"""Records that must become dead letters, each with the reason that it must get. Pure.

Made from the JSON of an ordinary event, so that only the one thing that is wrong is wrong.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

Event = dict[str, Any]
MIB = 1_048_576


def _raw(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode()


def _with(event: Event, **data: Any) -> Event:
    return {**event, "data": {**event["data"], **data}}


def _without(event: Event, name: str) -> Event:
    return {key: value for key, value in event.items() if key != name}


Poison = Callable[[Event], bytes | None]
POISON: dict[str, tuple[Poison, str]] = {
    "tombstone": (lambda _: None, "not_an_event"),
    "empty": (lambda _: b"", "invalid_json"),
    "invalid UTF-8": (lambda event: _raw(event).replace(b'"org": "', b'"org": "\xff'), "invalid_utf8"),
    "truncated": (lambda event: _raw(event)[:-20], "invalid_json"),
    "NaN": (lambda event: _raw(_with(event, units={"x": 1})).replace(b'{"x": 1}', b'{"x": NaN}'), "out_of_range"),
    "negative": (lambda event: _raw(_with(event, output_tokens=-1)), "out_of_range"),
    "beyond int64": (lambda event: _raw(_with(event, output_tokens=2**63)), "out_of_range"),
    "1e308": (lambda event: _raw(_with(event, units={"x": 1e308})), "out_of_range"),
    "leaves beyond totals": (
        lambda event: _raw(_with(event, input_tokens=5, input_cache_read_tokens=6)),
        "tokens_disagree",
    ),
    "missing id": (lambda event: _raw(_without(event, "id")), "missing_field"),
    "missing model": (lambda event: _raw({**event, "data": _without(event["data"], "model")}), "missing_field"),
    "NUL in a name": (lambda event: _raw(_with(event, team="a\0b")), "control_character"),
    "64 KB name": (lambda event: _raw(_with(event, team="x" * 65_536)), "out_of_range"),
    "another type": (lambda event: _raw({**event, "type": "io.example.other"}), "not_an_event"),
    "a list": (lambda _: b"[]", "not_an_event"),
    "a number as text": (lambda event: _raw(_with(event, output_tokens="7")), "wrong_type"),
    "a fortune": (
        lambda event: _raw(_with(event, provider="openai", model="gpt-4o", output_tokens=10**12)),
        "cost_too_large",
    ),
    "deep nest": (lambda _: b"[" * 100_000, "invalid_json"),
    "a whole MiB and one": (lambda _: b'{"a":"' + b"x" * MIB + b'"}', "too_large"),
}
"""By name: how it is made, and the reason of its dead letter."""
RARE = frozenset({"a whole MiB and one", "deep nest", "64 KB name"})
"""Large ones, which would otherwise be most of the bytes."""

ODD_NAMES = ("größe", "日本", "🔥", "עברית", "=cmd|' /C calc'!A0", "<!channel>", "'; DROP TABLE usage_events; --")
"""Names that are odd and must be counted all the same."""
