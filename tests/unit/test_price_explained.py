"""`burnline price` says what each part costs, who says so and how long it holds."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli.app import app
from deploy.price_explained import explained
from schemas.prices import Discount, PriceOverride, PriceRule
from streams.rating.price_rules import Prices
from tests.laws.rating_events import BOOK, event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LONG: dict[str, Any] = {
    "provider": "openai", "model": "gpt-5.4", "inference_region": "eu", "input_tokens": 300_000,
    "input_cache_read_tokens": 30_000, "output_tokens": 1200, "output_reasoning_tokens": None,
    "units": {"web_searches": 2.0},
}  # fmt: skip


def told(*rules: PriceRule, at: datetime | None = None, **data: Any) -> dict[str, Any]:
    """How one event's price is explained."""
    (one,) = explained([event(**data)], Prices(BOOK, rules), now=NOW, at=at)
    return one


def sources(one: dict[str, Any]) -> dict[str, str]:
    """By part, who says what it costs."""
    return {part["part"]: part["source"] for part in one["parts"]}


def test_parts_add_up_to_the_cost() -> None:
    """Every part that was used has its count, rate, cost and source; the cost is their sum."""
    one = told(**LONG)
    assert sum(Decimal(part["cost_usd"]) for part in one["parts"]) == Decimal(one["cost_usd"])
    assert sources(one) == {
        "input_uncached_tokens": "genai-prices openai/gpt-5.4 input_mtok, above 272,000 input tokens, "
        "times 1.1 for its inference_region",
        "input_cache_read_tokens": "genai-prices openai/gpt-5.4 cache_read_mtok, above 272,000 input tokens, "
        "times 1.1 for its inference_region",
        "output_text_tokens": "genai-prices openai/gpt-5.4 output_mtok, above 272,000 input tokens, "
        "times 1.1 for its inference_region",
        "web_searches": "genai-prices openai/gpt-5.4 web_searches_kcount",
    }  # fmt: skip
    assert any("https://" in note for note in one["notes"])


def test_a_discount_names_itself_and_the_list() -> None:
    """The rate after the discount, and until when both hold."""
    deal = Discount(
        id="deal",
        org="acme",
        percent=Decimal("12.5"),
        valid_from=NOW.replace(month=1),
        valid_until=NOW.replace(year=2027),
    )
    one = told(deal, provider="openai", model="gpt-4o")
    (first, *_) = one["parts"]
    assert first["source"] == "discount deal of acme: 12.5 % off genai-prices openai/gpt-4o input_mtok"
    assert (first["valid_from"][:10], first["valid_until"][:10]) == ("2026-01-22", "2027-11-22")
    assert (one["rule"], one["pricing_status"]) == ("discount deal", "priced")


def test_an_override_names_which_of_its_prices() -> None:
    """What it does not name keeps the list as its source."""
    own = PriceOverride(id="own", org="acme", usd_per_mtok={"input": Decimal(1)})
    said = sources(told(own, provider="openai", model="gpt-4o"))
    assert said["input_uncached_tokens"] == "price_override own of acme (usd_per_mtok.input)"
    assert said["output_text_tokens"] == "genai-prices openai/gpt-4o output_mtok"


def test_dates_of_list_prices_are_told() -> None:
    """Mistral raised this price on 2026-08-11; DeepSeek's depended on the hour."""
    before, after = (
        told(provider="mistral", model="voxtral-small-24b-2507", at=datetime(2026, 8, day, tzinfo=UTC))["parts"][0]
        for day in (10, 11)
    )
    assert (before["valid_until"], after["valid_from"]) == ("2026-08-11T00:00:00.000000Z",) * 2
    cheap = told(provider="deepseek", model="deepseek-chat", at=datetime(2025, 4, 1, 17, 0, tzinfo=UTC))
    assert sources(cheap)["output_text_tokens"].endswith("output_mtok, not from 00:30 to 16:30 UTC")


def test_a_correction_says_why() -> None:
    """Audio of a model whose audio price genai-prices leaves out."""
    one = told(provider="openai", model="gpt-4o-audio-preview", input_audio_tokens=1000, input_cache_read_tokens=None)
    assert sources(one)["input_audio_tokens"].startswith("correction openai/gpt-4o-audio-preview input_audio_mtok: ")


def test_what_has_no_price_is_said() -> None:
    """Nobody has a price; how to say one; what it costs at most."""
    one = told(provider="inhouse", model="northwind-7b")
    assert set(sources(one).values()) == {"nobody that we know of has a price for this"}
    assert (one["cost_usd"], one["pricing_status"]) == (None, "unpriced_model")
    assert "[[price_override]]" in one["notes"][0]
    assert "assumption" in told(provider="openai", model="gpt-4o", service_tier="gold")["notes"][0]


@pytest.mark.parametrize("shape", ["object", "list", "lines"])
def test_command_reads_events_of_any_shape(shape: str, tmp_path: Path) -> None:
    """One event, a list, one per line (a dry run's lines too); rules come from policy files."""
    some = [event("a"), event("b") | {"pricing": {"as": "a dry run prints"}}]
    text = {
        "object": json.dumps(some[0], indent=2),
        "list": json.dumps(some),
        "lines": "\n".join(json.dumps(one) for one in some),
    }[shape]
    (tmp_path / "events.json").write_text(text)
    rules = tmp_path / "prices.toml"
    rules.write_text('[[discount]]\norg = "acme"\nid = "deal"\npercent = 50\n')
    run = CliRunner().invoke(
        app, ["price", str(tmp_path / "events.json"), "--policies", str(rules), "--json", "--at", "2026-11-01"]
    )
    assert run.exit_code == 0, run.output
    told_of = json.loads(run.stdout)
    first = told_of if shape == "object" else told_of[0]
    assert (first["cost_usd"], first["list_cost_usd"]) == ("0.00564", "0.01128")
    assert first["time"].startswith("2026-11-01")
    plain = CliRunner().invoke(app, ["price", str(tmp_path / "events.json"), "--policies", str(rules)])
    assert "discount deal" in plain.stdout


def test_a_refused_event_fails_with_its_reason(tmp_path: Path) -> None:
    """What rating would not count has no price; the command ends with 1."""
    (tmp_path / "no.json").write_text("{}")
    run = CliRunner().invoke(app, ["price", str(tmp_path / "no.json")])
    assert run.exit_code == 1
    assert run.stdout.startswith("refused: missing_field")
