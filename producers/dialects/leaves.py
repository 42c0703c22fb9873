"""From a provider's counts to disjoint leaves and inclusive totals, by a declaration per dialect. Pure.

Laws
1. Each count inside a side is declared SUBSET (the provider's base count contains it) or ADDITIVE (it does not).
2. total = base + additive counts; the rest leaf = base - subset counts; neither is ever negative, or the body is
   refused with the reason `tokens_disagree`.
3. A side without base and counts stays away; it is never zero.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from producers.dialects.values import Json, count
from schemas.errors import InvalidMessage, Reason
from schemas.usage import MAX_TOKENS


class How(Enum):
    """How a count stands to its provider's base count."""

    SUBSET = "subset"
    ADDITIVE = "additive"


Keys = tuple[tuple[str, tuple[str, ...]], ...]
"""Paths, each as its first key and those below."""

SUBSET, ADDITIVE = How.SUBSET, How.ADDITIVE


@dataclass(frozen=True)
class Part:
    """A count that becomes a leaf. Paths are dotted; the first that is known counts.

    `of_which` are leaves inside it, which take their share of it; `less` are counts that it shares with another leaf,
    and which that one keeps (cached audio is cached, not audio).
    """

    leaf: str
    how: How
    paths: tuple[str, ...]
    of_which: tuple[tuple[str, str], ...] = ()
    less: tuple[str, ...] = ()

    @cached_property
    def is_plain(self) -> bool:
        """No other count is in it or shared with it: where it is zero, it says nothing."""
        return not self.of_which and not self.less

    @cached_property
    def keys(self) -> Keys:
        """Its paths."""
        return _split(self.paths)

    @cached_property
    def inner_keys(self) -> tuple[tuple[str, Keys], ...]:
        """The leaves inside it, and where each stands."""
        return tuple((leaf, _split((path,))) for leaf, path in self.of_which)

    @cached_property
    def less_keys(self) -> tuple[Keys, ...]:
        """Where the counts stand that it shares with other leaves."""
        return tuple(_split((path,)) for path in self.less)


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a usage object; `base_may_be_zero` where the format leaves out zeros, as protobuf's JSON does."""

    total: str
    rest: str
    base: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    base_may_be_zero: bool = False

    @cached_property
    def base_keys(self) -> Keys:
        """The paths of the base count."""
        return _split(self.base)


def side_of(usage: Json, side: Side) -> dict[str, int]:
    """The total and the leaves of one side; empty where the usage object says nothing of it.

    Raises: InvalidMessage: a count is none, the base count is missing, or counts do not add up.
    """
    base = _first(usage, side.base_keys)
    found = _found(usage, side)
    if base is None:
        if not found or (not side.base_may_be_zero and not any(held for _, held in found)):
            return {}
        if not side.base_may_be_zero:
            raise InvalidMessage(Reason.MISSING_FIELD, side.base[0], f"{side.base[0]} is required beside its details")
        base = 0
    fields = {side.total: base, side.rest: base}
    for part, held in found:
        if not held and part.is_plain:
            continue  # nothing of it changes anything
        taken = own = held - sum(_first(usage, keys) or 0 for keys in part.less_keys) if part.less else held
        for leaf, keys in part.inner_keys:
            inner = _first(usage, keys) or 0
            own -= inner
            _add(fields, leaf, inner)
        if own < 0:
            raise InvalidMessage(Reason.TOKENS_DISAGREE, part.paths[0], f"{part.paths[0]} is less than its own parts")
        _add(fields, part.leaf, own)
        if part.how is SUBSET:
            fields[side.rest] -= taken
        else:
            fields[side.total] += taken
    if fields[side.rest] < 0:
        said = f"{side.base[0]} is {base}, less than the counts that it should contain"
        raise InvalidMessage(Reason.TOKENS_DISAGREE, side.base[0], said)
    return fields


def sides_of(usage: Json, into: Side, out: Side, *, out_apart: Side, total: int | None) -> dict[str, int]:
    """Both sides; `out_apart` instead of `out` where the grand total is the sum only so.

    Raises: InvalidMessage: a count is none, or counts do not add up. The total itself is not checked.
    """
    fields = side_of(usage, into)
    apart = fields | side_of(usage, out_apart)
    is_sum = {"input_tokens", "output_tokens"} <= apart.keys() and apart["input_tokens"] + apart[
        "output_tokens"
    ] == total
    return apart if is_sum and apart.get("output_reasoning_tokens") else fields | side_of(usage, out)


def check_total(fields: dict[str, int], reported: int | None, path: str) -> None:
    """The provider's grand total is the sum of both sides, where it says one.

    Raises: InvalidMessage: it is not.
    """
    known = fields.get("input_tokens", 0) + fields.get("output_tokens", 0)
    if reported is not None and reported != known:
        said = f"{path} is {reported}, but input and output together are {known}"
        raise InvalidMessage(Reason.TOKENS_DISAGREE, path, said)


def _found(usage: Json, side: Side) -> list[tuple[Part, int]]:
    """The counts of a side's parts that are known; a loop, since this runs twice for every call that is read."""
    found = []
    for part in side.parts:
        held = _first(usage, part.keys)
        if held is not None:
            found.append((part, held))
    return found


def _first(usage: Json, paths: Keys) -> int | None:
    """The first of the counts that is known; nearly all are plain ones, and taken without asking `count`."""
    for first, rest in paths:
        held: object = usage.get(first)
        for key in rest:
            if type(held) is not dict:
                break
            held = held.get(key)
        else:
            if type(held) is int and 0 <= held <= MAX_TOKENS:
                return held
        if held is not None and (found := count(usage, first, *rest)) is not None:
            return found
    return None


def _split(paths: tuple[str, ...]) -> Keys:
    keys = [path.split(".") for path in paths]
    return tuple((first, tuple(rest)) for first, *rest in keys)


def _add(fields: dict[str, int], leaf: str, tokens: int) -> None:
    if tokens:
        fields[leaf] = fields.get(leaf, 0) + tokens
