"""From a provider's counts to disjoint leaves and inclusive totals, as Burnline's own dialects do it. Pure.

The client imports no room, so this says again what `producers/dialects/leaves.py` says; a contract test holds both to
the same bodies.

Laws
1. A count inside a side is contained in the provider's base count, or `added` to it: declared, never guessed.
2. total = base + added counts; the rest leaf = base - contained counts; neither is ever negative.
3. A side without base and counts stays away; it is never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnline_client.fields import MAX_TOKENS

Json = Mapping[str, Any]


class UnreadableUsageError(ValueError):
    """A usage object that cannot be counted; the message names the field, never a content."""


@dataclass(frozen=True)
class Part:
    """A count that becomes a leaf. Paths are dotted; the first that is known counts.

    `of_which` are leaves inside it; `less` are counts that it shares with another leaf, which keeps them.
    """

    leaf: str
    paths: tuple[str, ...]
    added: bool = False
    of_which: tuple[tuple[str, str], ...] = ()
    less: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One side of a usage object."""

    total: str
    rest: str
    base: tuple[str, ...]
    parts: tuple[Part, ...] = ()


def count(holder: Json, path: str) -> int | None:
    """The count at the dotted path; None where it, or what holds it, is missing or null.

    Raises: UnreadableUsageError: what stands there is no count of tokens.
    """
    value: Any = holder
    for name in path.split("."):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise UnreadableUsageError(f"what holds {path} is no object")
        value = value.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or (isinstance(value, float) and value % 1 != 0):
        raise UnreadableUsageError(f"{path} is no count")
    if not 0 <= value <= MAX_TOKENS:
        raise UnreadableUsageError(f"{path} is not from 0 to {MAX_TOKENS}")
    return int(value)


def side_of(usage: Json, side: Side) -> dict[str, int]:
    """The total and the leaves of one side; empty where the usage object says nothing of it.

    Raises: UnreadableUsageError: a count is none, the base count is missing, or counts do not add up.
    """
    base = _first(usage, side.base)
    found = [(part, held) for part in side.parts if (held := _first(usage, part.paths)) is not None]
    if base is None:
        if any(held for _, held in found):
            raise UnreadableUsageError(f"{side.base[0]} is required beside its details")
        return {}
    fields = {side.total: base, side.rest: base}
    for part, held in found:
        inner = [(leaf, _first(usage, (path,)) or 0) for leaf, path in part.of_which]
        own = held - sum(_first(usage, (path,)) or 0 for path in part.less) - sum(tokens for _, tokens in inner)
        if own < 0:
            raise UnreadableUsageError(f"{part.paths[0]} is less than its own parts")
        leaves = [*inner, (part.leaf, own)]
        for leaf, tokens in leaves:
            if tokens:
                fields[leaf] = fields.get(leaf, 0) + tokens
        taken = sum(tokens for _, tokens in leaves)
        fields[side.total if part.added else side.rest] += taken if part.added else -taken
    if fields[side.rest] < 0:
        raise UnreadableUsageError(f"{side.base[0]} is {base}, less than the counts that it should contain")
    return fields


def total_of(fields: Mapping[str, int]) -> int:
    """Both sides together."""
    return fields.get("input_tokens", 0) + fields.get("output_tokens", 0)


def sides_of(usage: Json, into: Side, out: Side, *, out_apart: Side, total: int | None) -> dict[str, int]:
    """Both sides; `out_apart` instead of `out` where the provider's grand total is the sum only so.

    Raises: UnreadableUsageError: a count is none, or counts do not add up. The total itself is not checked.
    """
    fields = side_of(usage, into)
    apart = fields | side_of(usage, out_apart)
    is_sum = {"input_tokens", "output_tokens"} <= apart.keys() and total_of(apart) == total
    return apart if is_sum and apart.get("output_reasoning_tokens") else fields | side_of(usage, out)


def check_total(fields: Mapping[str, int], reported: int | None) -> None:
    """The provider's grand total is the sum of both sides, where it says one.

    Raises: UnreadableUsageError: it is not.
    """
    if reported is not None and reported != total_of(fields):
        raise UnreadableUsageError(f"total_tokens is {reported}, but input and output together are {total_of(fields)}")


def _first(usage: Json, paths: tuple[str, ...]) -> int | None:
    for path in paths:
        held = count(usage, path)
        if held is not None:
            return held
    return None
