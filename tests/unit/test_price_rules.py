"""What an organisation pays: the right rule, at the right time, and list prices beside it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.policies import AnyPolicy, InForce, key_of
from schemas.prices import Discount, PriceCeiling, PriceOverride, PriceRule
from streams.rating.price_rules import Prices
from tests.laws.rating_events import BOOK, NOW_TIME, PRICES, event, new_lane, priced, raw, rows_of, step

DATA: dict[str, Any] = {
    "provider": "openai", "model": "gpt-4o", "input_tokens": 1_000_000, "input_cache_read_tokens": 0,
    "output_tokens": 1_000_000, "output_reasoning_tokens": 0,
}  # fmt: skip
NOW = datetime.fromisoformat(NOW_TIME)


def override(**more: Any) -> PriceOverride:
    """An override of gpt-4o at 1 and 4 USD."""
    return PriceOverride(
        **{"id": "own", "org": "acme", "model": "gpt-4o", "usd_per_mtok": {"input": "1", "output": "4"}} | more
    )


def discount(percent: str = "20", **more: Any) -> Discount:
    """A discount on everything of openai's."""
    given = {"id": "deal", "org": "acme", "provider": "openai", "percent": Decimal(percent)}
    return Discount.model_validate(given | more)


def paid(*rules: PriceRule, **data: Any) -> tuple[str, str | None, str | None]:
    """(status, what the organisation pays, what the list says) of a million tokens in and out."""
    found = priced(Prices(BOOK, rules), **{**DATA, **data})
    return found["pricing_status"], found["cost_usd"], found["list_cost_usd"]


def test_without_rules_the_list_is_paid() -> None:
    """Effective and list cost are one."""
    assert paid() == ("priced", "12.5", "12.5")


def test_an_override_replaces_what_it_names() -> None:
    """`input` and `output` name all leaves of their side, narrower names win, the rest keeps the list price."""
    assert paid(override()) == ("overridden", "5", "12.5")
    only_output = override(usd_per_mtok={"output": Decimal(4)})
    assert paid(only_output) == ("overridden", "6.5", "12.5")
    cached = {"input_cache_read_tokens": 500_000}
    assert paid(override(usd_per_mtok={"input": Decimal(1), "cache_read": Decimal("0.1")}), **cached)[1] == "10.55"
    assert paid(override(usd_per_mtok={"input": Decimal(1)}), **cached)[1] == "11"
    assert paid(override(usd_per_mtok={"input_uncached": Decimal(1)}), **cached)[1] == "11.125"


def test_a_discount_takes_its_share_off_every_list_price() -> None:
    """20 % off is 80 % of the list; the status stays `priced`, list and effective stand side by side."""
    assert paid(discount()) == ("priced", "10", "12.5")
    assert paid(discount("100")) == ("free", "0", "12.5")
    assert paid(discount("0.0001")) == ("priced", "12.4999875", "12.5")


def test_no_discount_touches_an_override() -> None:
    """An own price is what it says."""
    assert paid(discount(), override()) == ("overridden", "5", "12.5")


def test_an_override_prices_what_has_no_list_price() -> None:
    """The list cost stays unknown; a leaf that the override leaves out makes the call unpriced."""
    inhouse = {"provider": "inhouse", "model": "northwind-7b"}
    assert paid(**inhouse) == ("unpriced_model", None, None)
    assert paid(override(model="northwind-*"), **inhouse) == ("overridden", "5", None)
    half = override(model="northwind-*", usd_per_mtok={"input": Decimal(1)})
    assert paid(half, **inhouse) == ("unpriced_leaf", None, None)


def test_free_is_said() -> None:
    """A price of zero is known: the call is free, not unpriced."""
    zero = override(usd_per_mtok={"input": Decimal(0), "output": Decimal(0)})
    assert paid(zero) == ("free", "0", "12.5")


@pytest.mark.parametrize(("before", "status"), [(timedelta(0), "overridden"), (timedelta(minutes=-15), "priced")])
def test_a_rule_holds_from_its_first_moment(before: timedelta, status: str) -> None:
    """From `valid_from` on, at the time of the event, whatever the time of rating."""
    quarter = NOW.replace(minute=15, second=0, microsecond=0)
    at = {"time": (quarter + before).isoformat()}
    found = priced(Prices(BOOK, [override(valid_from=quarter)]), at_time=at["time"], **DATA)
    assert found["pricing_status"] == status


@pytest.mark.parametrize(("before", "status"), [(timedelta(minutes=-1), "overridden"), (timedelta(0), "priced")])
def test_a_rule_ends_before_its_last_moment(before: timedelta, status: str) -> None:
    """Up to `valid_until`, exclusive."""
    quarter = NOW.replace(minute=15, second=0, microsecond=0)
    found = priced(Prices(BOOK, [override(valid_until=quarter)]), at_time=(quarter + before).isoformat(), **DATA)
    assert found["pricing_status"] == status


def test_the_most_specific_rule_is_taken() -> None:
    """A name before a pattern, a longer pattern before a shorter, a named tier before any, newer before older."""
    wide, narrow = override(id="a", model="*", usd_per_mtok={"input": Decimal(9)}), override(id="b", model="gpt-4*")
    exact = override(id="c", model="gpt-4o", usd_per_mtok={"input": Decimal(2), "output": Decimal(2)})
    assert paid(wide, narrow)[1] == paid(narrow, wide)[1] == "5"
    assert paid(wide, exact, narrow)[1] == "4"
    newer = exact.model_copy(
        update={"id": "a", "valid_from": datetime(2026, 1, 1, tzinfo=UTC), "usd_per_mtok": {"input": Decimal(3)}}
    )
    assert paid(exact, newer)[1] == "13"
    batch = override(id="d", tier="batch", usd_per_mtok={"input": Decimal(0), "output": Decimal(1)})
    assert paid(exact, batch, service_tier="batch")[1] == "1"
    assert paid(exact, batch, service_tier="default")[1] == "4"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, "priced"),
        ({"service_tier": "batch"}, "priced"),
        ({"service_tier": "batch", "inference_region": "eu"}, "overridden"),
        ({"service_tier": "BATCH", "region": "EU"}, "overridden"),
        ({"service_tier": "batch", "inference_region": "us", "region": "eu"}, "priced"),
    ],
)
def test_tier_and_region_must_match(data: dict[str, Any], status: str) -> None:
    """A rule for a tier and a region is for these; the place of inference goes before the region."""
    assert paid(override(tier="batch", region="eu"), **data)[0] == status


@pytest.mark.parametrize("tier", [None, "default", "auto", "standard", "DEFAULT"])
def test_the_standard_tier_has_many_names(tier: str | None) -> None:
    """OpenAI calls it default: a rule for `standard` is for it all the same, and one for `default` for that name."""
    assert paid(override(tier="standard"), service_tier=tier)[0] == "overridden"
    assert paid(override(tier="default"), service_tier=tier)[0] == (
        "overridden" if tier in ("default", "DEFAULT") else "priced"
    )
    assert paid(override(tier="standard"), service_tier="batch")[0] == "priced"


def test_a_bracket_in_a_pattern_is_a_bracket() -> None:
    """Some tools name models so; patterns know `*` and `?` alone."""
    long = {"model": "gpt-4o[1m]"}
    assert paid(override(model="GPT-4o[1m]"), **long)[0] == "overridden"
    assert paid(override(model="gpt-4?[*"), **long)[0] == "overridden"
    assert paid(override(model="gpt-4[oa]"))[0] == "priced"


def test_rules_are_of_their_organisation() -> None:
    """Nobody else pays them."""
    assert paid(override(), org="globex") == ("priced", "12.5", "12.5")
    assert paid(override(), org="acme") == ("overridden", "5", "12.5")


def test_units_and_calls_have_own_prices_too() -> None:
    """Searches at the list price, at an own price, and at a discount; a price for the call itself."""
    searches = {"model": "gpt-4.1", "units": {"web_searches": 3.0}, "input_tokens": 0, "output_tokens": 0}
    assert paid(**searches) == ("priced", "0.03", "0.03")
    assert paid(override(model="gpt-4.1", usd_per_unit={"web_searches": Decimal("0.002")}), **searches)[1] == "0.006"
    assert paid(discount("50"), **searches)[1:] == ("0.015", "0.03")
    assert paid(override(usd_per_request=Decimal("0.25")))[1] == "5.25"


def test_what_has_no_price_makes_the_call_unpriced() -> None:
    """A unit that nobody has a price for is not zero."""
    status, cost, listed = paid(units={"gpu_hours": 2.0})
    assert (status, cost, listed) == ("unpriced_leaf", None, None)


def test_any_amount_of_units_has_a_ceiling_below_a_million() -> None:
    """The contract takes up to 10**15 units; what they may have cost at most still fits a row of the ledger."""
    found = priced(PRICES, units={"audio_seconds": 1e15})
    assert (found["pricing_status"], found["ceiling_cost_usd"]) == ("unpriced_leaf", "999999.999999999999")


def test_a_stated_ceiling_goes_before_the_book() -> None:
    """What an unpriced call costs at most is what the organisation states, for the models it states it for."""
    inhouse = {**DATA, "provider": "inhouse", "model": "northwind-7b"}
    stated = PriceCeiling(
        id="most", org="acme", provider="inhouse", input_usd_per_mtok=Decimal(2), output_usd_per_mtok=Decimal(6)
    )
    found = priced(Prices(BOOK, [stated]), **inhouse)
    assert (found["cost_usd"], found["ceiling_cost_usd"]) == (None, "8")
    assert Decimal(priced(PRICES, **inhouse)["ceiling_cost_usd"]) > 100
    elsewhere = priced(Prices(BOOK, [stated]), **{**inhouse, "provider": "nobody"})
    assert Decimal(elsewhere["ceiling_cost_usd"]) > 100


@pytest.mark.parametrize(
    ("provider", "model", "place", "factor"),
    [
        ("anthropic", "claude-opus-4-6", {"inference_region": "us"}, "1.1"),
        ("anthropic", "claude-opus-4-6", {"inference_region": "global"}, "1"),
        ("anthropic", "claude-opus-4-6", {"region": "us"}, "1"),
        ("anthropic", "claude-sonnet-4-5", {"inference_region": "us"}, "1"),
        ("openai", "gpt-5.4", {"inference_region": "eu"}, "1.1"),
        ("openai", "gpt-5.1", {"inference_region": "eu"}, "1"),
        ("vertex_ai", "claude-sonnet-4-5", {"region": "europe-west1"}, "1.1"),
        ("vertex_ai", "claude-sonnet-4-5", {"region": "global"}, "1"),
        ("google", "gemini-2.5-pro", {"region": "europe-west1"}, "1"),
    ],
)
def test_places_cost_what_their_providers_say(provider: str, model: str, place: dict[str, str], factor: str) -> None:
    """Data residency adds a tenth where the provider's price page says so, to all tokens, and nowhere else."""
    data = {**DATA, "provider": provider, "model": model, "input_tokens": 5000, "output_tokens": 100}
    plain, placed = (priced(PRICES, **data, **where) for where in ({}, place))
    assert Decimal(placed["cost_usd"]) == Decimal(plain["cost_usd"]) * Decimal(factor)
    assert placed["list_cost_usd"] == placed["cost_usd"]


@pytest.mark.parametrize(
    ("tier", "status"), [(None, "priced"), ("default", "priced"), ("batch", "priced"), ("gold", "estimated")]
)
def test_a_tier_without_a_price_is_estimated(tier: str | None, status: str) -> None:
    """The standard price is taken, and said to be an assumption."""
    assert paid(service_tier=tier)[0] == status


def test_groq_bills_ten_seconds_at_least() -> None:
    """A transcription of two seconds costs what one of ten does."""
    speech = {"provider": "groq", "model": "whisper-large-v3", "input_tokens": None, "output_tokens": None}
    short, ten, long = (paid(**speech, units={"audio_seconds": float(sec)})[1] for sec in (2, 10, 3600))
    assert (short, ten, long) == ("0.000308333333", "0.000308333333", "0.111")


def test_rows_carry_effective_list_as_charged_and_reported_cost() -> None:
    """All four stand in the rated row, beside the version of book and rules that rated it."""
    lane = new_lane(override())
    (row,) = rows_of(step(lane, [raw(event(reported_cost_usd="12.3", **DATA))]))
    names = ("cost_usd", "list_cost_usd", "as_charged_cost_usd", "reported_cost_usd")
    assert [row[name] for name in names] == [Decimal(5), Decimal("12.5"), Decimal(5), Decimal("12.3")]
    assert row["pricing_status"] == "overridden"
    assert row["price_book_version"] == Prices(BOOK, [override()]).version
    assert row["price_book_version"].startswith(BOOK.version)


def test_the_version_is_that_of_book_and_rules() -> None:
    """Equal rules have one version whatever their order; another price is another version; no rules, the book's."""
    one, two = override(), discount()
    assert PRICES.version == BOOK.version
    assert Prices(BOOK, [one, two]).version == Prices(BOOK, [two, one]).version != Prices(BOOK, [one]).version
    assert Prices(BOOK, [override(usd_per_mtok={"input": Decimal(2)})]).version != Prices(BOOK, [one]).version


def test_prices_change_only_with_price_rules() -> None:
    """Another policy leaves the prices, and their cache, as they are."""
    held = Prices(BOOK, [override()])
    policies: list[AnyPolicy] = [override()]
    in_force = {key_of(some): InForce(policy=some, since=4, matched_since=4) for some in policies}
    assert held.under(in_force) is held
    assert held.under({}).version == BOOK.version
