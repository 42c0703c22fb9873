"""A price book is its content: kept under a hash of it, and read again it prices as before."""

from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.types import ModelPrice

from deploy.price_books import keep_book, kept_book
from schemas.errors import CorruptStateError, InputError
from streams.rating.price_content import content_of, providers_of
from streams.rating.prices import PriceBook
from tests.laws.rating_events import BOOK

SLOTS = (1_900_000, 1_994_000)


def test_a_kept_book_prices_as_before(tmp_path: Path) -> None:
    """Every model, two times, with and without a tier: equal rates, and the same version but for our own rules."""
    keep_book(tmp_path, BOOK)
    again = kept_book(tmp_path, f"{BOOK.version}+rules:0123456789ab")
    assert again.version == BOOK.version
    for provider, model in [(owner.id, info.id) for owner in BOOK.providers for info in owner.models][::7]:
        for slot in SLOTS:
            for tier in (None, "batch"):
                assert again.rates(provider, model, tier, slot) == BOOK.rates(provider, model, tier, slot)


def test_content_is_written_back_unchanged() -> None:
    """Read and written again it has the same bytes."""
    content = content_of(BOOK.providers)
    assert content == content_of(providers_of(content))


def test_another_rate_is_another_book() -> None:
    """A book in which one rate differs has another version."""
    providers = providers_of(content_of(BOOK.providers))
    changed = next(info for owner in providers if owner.id == "openai" for info in owner.models if info.id == "gpt-4.1")
    assert isinstance(changed.prices, ModelPrice)
    changed.prices.__dict__["input_mtok"] = Decimal(99)
    assert PriceBook(providers=providers).version != BOOK.version


def test_keeping_twice_is_keeping_once(tmp_path: Path) -> None:
    """The file is there once, and no half of one."""
    first = keep_book(tmp_path, BOOK)
    assert keep_book(tmp_path, BOOK) == first
    assert list(tmp_path.iterdir()) == [first]


def test_what_was_not_kept_is_said(tmp_path: Path) -> None:
    """An unknown version names those that are there; a damaged file is no book."""
    path = keep_book(tmp_path, BOOK)
    with pytest.raises(InputError, match=path.name.split(".")[0]):
        kept_book(tmp_path, "genai-prices/0.2.3:000000000000")
    with pytest.raises(InputError, match="is no version"):
        kept_book(tmp_path, "latest")
    whole = path.read_bytes()
    for damaged in (b"no gzip", whole[:-9], whole[:200] + b"\xff" * 200 + whole[400:]):
        path.write_bytes(damaged)
        with pytest.raises(CorruptStateError):
            kept_book(tmp_path, BOOK.version)
