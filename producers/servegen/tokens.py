"""How long one client's prompts and answers are: a distribution per kind of tokens, anew every six hours. Pure."""

import ast
import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from schemas.errors import InputError

Uniform = Callable[[], float]
"""The next number of a stream of chance, at least 0 and below 1."""
_MOST_VALUES = 2_000_000
_MEDIA = ("image", "audio", "video")


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values and the running sums of their chances."""

    values: tuple[float, ...]
    reached: tuple[float, ...]

    def draw(self, uniform: Uniform) -> float:
        """One value."""
        place = bisect_right(self.reached, uniform() * self.reached[-1])
        return self.values[min(place, len(self.values) - 1)]


@dataclass(frozen=True, slots=True)
class Lengths:
    """The distributions from a time on, by their names in the dataset."""

    from_sec: int
    fields: Mapping[str, Distribution]

    def draw(self, uniform: Uniform) -> dict[str, int]:
        """The tokens of one request by field of a usage event; sides are inclusive, leaves are parts of them."""
        names = self.fields
        text = names["text_tokens" if "text_tokens" in names else "input_tokens"].draw(uniform)
        media = {kind: self._media(kind, uniform) for kind in _MEDIA if f"{kind}_tokens" in names}
        output = int(names["output_tokens"].draw(uniform))
        told = {"input_tokens": int(text) + sum(media.values()), "output_tokens": output}
        if "reason_ratio" in names:
            told["output_reasoning_tokens"] = min(round(output * names["reason_ratio"].draw(uniform)), output)
        return told | {f"input_{kind}_tokens": media[kind] for kind in ("image", "audio") if kind in media}

    def _media(self, kind: str, uniform: Uniform) -> int:
        """The tokens of all images (sounds, films) of a request; a dataset says those of one, and how many."""
        count = int(self.fields[f"{kind}_count"].draw(uniform)) if f"{kind}_count" in self.fields else 1
        return sum(int(self.fields[f"{kind}_tokens"].draw(uniform)) for _ in range(count))


def lengths_of(dataset: str) -> tuple[Lengths, ...]:
    """The distributions of a dataset, oldest first; times of which it says nothing are left out.

    Raises: InputError: the text is no dataset of ServeGen.
    """
    try:
        document = json.loads(dataset)
        times = sorted((int(at), fields) for at, fields in document.items())
        found = [Lengths(at, {name: _distribution(text) for name, text in fields.items()}) for at, fields in times]
    except (ValueError, SyntaxError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise InputError(f"the dataset beside the trace is none of ServeGen's: {error}") from None
    return tuple(one for one in found if _complete(one))


def _distribution(text: str) -> Distribution:
    said: Any = ast.literal_eval(text)
    if not isinstance(said, dict) or len(said) > _MOST_VALUES:
        raise ValueError(f"{text[:60]!r} is no distribution")
    pairs = sorted((float(value), float(chance)) for value, chance in said.items())
    if any(value < 0 or not 0 <= chance < float("inf") for value, chance in pairs):
        raise ValueError(f"{text[:60]!r} holds a negative number")
    return Distribution(tuple(value for value, _ in pairs), tuple(accumulate(chance for _, chance in pairs)))


def _complete(lengths: Lengths) -> bool:
    """Whether something is said of both sides, and of each kind of tokens that is named."""
    named = lengths.fields.keys()
    both = "output_tokens" in named and bool(named & {"input_tokens", "text_tokens"})
    return both and all(one.reached and one.reached[-1] > 0 for one in lengths.fields.values())


def lengths_at(found: tuple[Lengths, ...], at_sec: int) -> Lengths | None:
    """The newest distributions at or before this time; None before the first."""
    known = [one for one in found if one.from_sec <= at_sec]
    return known[-1] if known else None
