"""The events that every system gets in `burnline bench peers`, and what is true of them, computed apart from all.

The simulator's company, each of its calls under a new id and time, no copies (peers would count them twice), in the
order of their times, which are spread over the 50 minutes before they are sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import msgspec

from deploy.bench.latency_load import Template
from deploy.bench.peer_programs.job import CELL_SEC, LEAVES, spends_of
from schemas.periods import instant, micros
from schemas.signals import rfc3339
from streams.rating.prices import PARTS, SLOT_US, PriceBook

WINDOWS_SEC = (300, 3600)
SPREAD_US = 50 * 60 * 1_000_000
_LEAVES = ("input_uncached_tokens", "output_text_tokens", *LEAVES)
_PICO_PER_TOKEN = 1_000_000  # one USD per million tokens
Rates = dict[str, list[int]]
Windows = tuple[int, int]


def rates_of(templates: Sequence[Template], *, now: datetime, book: PriceBook | None = None) -> Rates:
    """Pico-USD per token of each model of the events, in the order of `job.price`; without the models without a price.

    Raises: ValueError: a price has a long-context tier or a fraction of a pico-USD; the peers' job knows neither.
    """
    found: Rates = {}
    book = book or PriceBook()
    data = [msgspec.json.decode(one.filled(b"", rfc3339(now).encode()))["data"] for one in templates]
    for model, provider in {one["model"]: one["provider"] for one in data}.items():
        rates = book.rates(provider, model, None, micros(now) // SLOT_US)
        if rates is None:
            continue
        largest = max(one["input_tokens"] for one in data if one["model"] == model)
        of_part = dict(zip(PARTS, rates.for_input(largest), strict=True))
        per_token = [(of_part[leaf] or Decimal(0)) * _PICO_PER_TOKEN for leaf in _LEAVES]
        if rates.for_input(0) != rates.for_input(largest) or any(one != int(one) for one in per_token):
            raise ValueError(f"{model}: not one whole rate per leaf")
        found[model] = [int(one) for one in per_token]
    return found


@dataclass(frozen=True, slots=True)
class Event:
    """One event to send, with its time."""

    key: bytes
    value: bytes
    at_us: int


def events(templates: Sequence[Template], count: int, *, end: datetime, run: str) -> Iterator[Event]:
    """So many events with ids of this run, the last one now."""
    end_us = micros(end)
    for number in range(count):
        template = templates[number % len(templates)]
        at_us = end_us - SPREAD_US * (count - 1 - number) // max(1, count - 1)
        at = rfc3339(instant(at_us)).encode()
        yield Event(template.key, template.filled(f"{run}-{number}".encode(), at), at_us)


@dataclass(slots=True)
class Truth:
    """What everybody spent: of each key (`team/code`) all times and amounts, kept whole, so that nothing is clever."""

    rates: Mapping[str, list[int]]
    spent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, some: Sequence[Event]) -> int:
        """These are counted; how many spends they are."""
        spends = [one for event in some for one in spends_of(msgspec.json.decode(event.value), self.rates)]
        for key, at_us, pico in spends:
            self.spent.setdefault(key, []).append((at_us, pico))
        return len(spends)

    def at(self, key: str, at_us: int) -> Windows:
        """What the key spent in both windows that end at a time, whole cells at their beginning."""
        five_min, hour = (
            sum(
                pico
                for when_us, pico in self.spent[key]
                if (at_us - window_sec * 1_000_000) // cell_us <= when_us // cell_us and when_us <= at_us
            )
            for window_sec, cell_us in zip(WINDOWS_SEC, (sec * 1_000_000 for sec in CELL_SEC), strict=True)
        )
        return five_min, hour

    def differences(self, said: Mapping[str, tuple[int, int, int]]) -> list[str]:
        """What is wrong with the last word on each key: its time and both windows."""
        wrong = [f"{key}: nothing was said" for key in sorted(self.spent.keys() - said.keys())]
        wrong += [f"{key}: nobody spent anything" for key in sorted(said.keys() - self.spent.keys())]
        for key in sorted(said.keys() & self.spent.keys()):
            at_us, *told = said[key]
            if (true := self.at(key, at_us)) != tuple(told):
                wrong.append(f"{key} at {rfc3339(instant(at_us))}: {told} instead of {list(true)} pico-USD")
        return wrong
