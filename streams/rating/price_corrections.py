"""Where genai-prices is wrong by the provider's own documentation: what is put right before anything is priced.

Each entry says what, since when, and where the provider says so. A newer genai-prices that has the rate wins: a
correction only fills a rate that is not there. `tests/golden/test_price_law.py` compares everything else.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from genai_prices.types import ModelPrice


@dataclass(frozen=True)
class Correction:
    """Rates of a model that genai-prices leaves out, USD per million tokens, by its names of rates."""

    provider: str
    models: tuple[str, ...]
    rates: tuple[tuple[str, Decimal], ...]
    since: date
    why: str
    source: str


CORRECTIONS = (
    Correction(
        provider="openai",
        models=("gpt-4o-audio-preview",),
        rates=(("input_audio_mtok", Decimal(40)), ("output_audio_mtok", Decimal(80))),
        since=date(2024, 12, 17),
        why="audio tokens have a price of their own; without it they would cost what text costs, a sixteenth",
        source="https://platform.openai.com/docs/models/gpt-4o-audio-preview (audio tokens)",
    ),
    Correction(
        provider="openai",
        models=("gpt-4o-mini-audio-preview",),
        rates=(("input_audio_mtok", Decimal(10)), ("output_audio_mtok", Decimal(20))),
        since=date(2024, 12, 17),
        why="audio tokens have a price of their own; without it they would cost what text costs, a sixtieth",
        source="https://platform.openai.com/docs/models/gpt-4o-mini-audio-preview (audio tokens)",
    ),
)


def corrections_of(provider: str, model: str) -> tuple[Correction, ...]:
    """The corrections of a model, by genai-prices' own ids of provider and model."""
    return tuple(some for some in CORRECTIONS if some.provider == provider and model in some.models)


def corrected(price: ModelPrice, corrections: Iterable[Correction], at: datetime) -> ModelPrice:
    """The price with the rates that are missing from it, as far as they held at that time."""
    missing = {
        key: rate
        for some in corrections
        if some.since <= at.date()
        for key, rate in some.rates
        if getattr(price, key) is None
    }
    if not missing:
        return price
    whole = copy(price)
    whole.__dict__.update(missing)
    return whole
