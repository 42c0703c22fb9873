"""What an organisation pays: list prices under the overrides, discounts and ceilings that its policies have in force.

Laws
1. `listed` is what anybody pays, whatever is in force; `effective` is what this organisation pays.
2. Of the rules that match a call the most specific one is taken: fewest models matched by name (a name without
   wildcards, then the longer pattern), then provider, tier and region likewise, then the newest `valid_from`, then id.
3. An override replaces the rates it names (`input` and `output` name all of their side) and leaves the others at list
   price; no discount touches a model that has an override. A discount takes its percentage off every list rate.
4. The same rules give the same `version`, wherever and whenever they came into force.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import NamedTuple

from schemas.policies import Policies
from schemas.prices import OVERRIDE_LEAVES, DatedPriceRule, Discount, PriceCeiling, PriceOverride, PriceRule
from streams.rating.price_units import scaled_rate
from streams.rating.prices import PARTS, SLOT_US, STANDARD_TIERS, Ceiling, ModelRates, PriceBook

_CACHED = 20_000
_EVERY_MODEL: tuple[Decimal | None, ...] = (None,) * len(PARTS)
_HUNDRED = Decimal(100)
_PER_CALL = Decimal(1000)
_PER_UNIT = Decimal(1_000_000)


class Question(NamedTuple):
    """What the price of a call depends on; `slot` is its time over `SLOT_US`."""

    org: str
    provider: str
    model: str
    tier: str | None
    inference_region: str | None
    region: str | None
    slot: int


@dataclass(frozen=True)
class Quote:
    """The rates of a call. `listed` has the same steps as `effective`; either is None where nobody knows any rate."""

    effective: ModelRates | None
    listed: ModelRates | None
    rule: PriceRule | None = None  # the override or discount that makes the difference

    @property
    def is_overridden(self) -> bool:
        """Whether an override sets the rates."""
        return isinstance(self.rule, PriceOverride)


class Prices:
    """A price book under the price rules of one policy offset."""

    def __init__(self, book: PriceBook, rules: Iterable[PriceRule] = ()) -> None:
        self.book = book
        self._rules = tuple(sorted(rules, key=lambda rule: (rule.org, rule.kind, rule.id)))
        self._by_org: dict[str, list[PriceRule]] = defaultdict(list)
        for rule in self._rules:
            self._by_org[rule.org].append(rule)
        self._quotes: dict[Question, Quote] = {}
        self._built: dict[tuple[int, int], Quote] = {}  # by identity of list rates, which a quote keeps, and rule
        self.version = book.version + _marked(self._rules)

    def under(self, policies: Policies) -> "Prices":
        """The same book under other policies; this very object where no price rule differs."""
        rules = tuple(
            sorted(
                (entry.policy for entry in policies.values() if isinstance(entry.policy, PriceRule)),
                key=lambda rule: (rule.org, rule.kind, rule.id),
            )
        )
        return self if rules == self._rules else Prices(self.book, rules)

    @property
    def has_rules(self) -> bool:
        """Whether prices depend on the organisation."""
        return bool(self._rules)

    def quote(self, question: Question) -> Quote:
        """The rates of a call."""
        if not self._rules:
            listed = self._listed(question)
            return Quote(listed, listed)
        if question not in self._quotes:
            if len(self._quotes) >= _CACHED:
                self._quotes.clear()
                self._built.clear()
            self._quotes[question] = self._quote(question)
        return self._quotes[question]

    def ceiling(self, org: str, provider: str, model: str) -> Ceiling:
        """The stated ceiling of the organisation for such a model; the book's for the provider where none is stated."""
        stated = _best(
            rule
            for rule in self._by_org.get(org, ())
            if isinstance(rule, PriceCeiling) and _names(rule, provider, model)
        )
        if isinstance(stated, PriceCeiling):
            return Ceiling(stated.input_usd_per_mtok, stated.output_usd_per_mtok)
        return self.book.ceiling(provider)

    def _listed(self, asked: Question) -> ModelRates | None:
        return self.book.rates(
            asked.provider,
            asked.model,
            asked.tier,
            asked.slot,
            inference_region=asked.inference_region,
            region=asked.region,
        )

    def _quote(self, asked: Question) -> Quote:
        listed = self._listed(asked)
        matching = [rule for rule in self._by_org.get(asked.org, ()) if _matches(rule, asked)]
        override = _best(rule for rule in matching if isinstance(rule, PriceOverride))
        discount = _best(rule for rule in matching if isinstance(rule, Discount))
        rule = override or (discount if listed is not None else None)
        key = (id(listed), id(rule))
        if key not in self._built:
            self._built[key] = _under(listed, rule)
        return self._built[key]


def _marked(rules: tuple[PriceRule, ...]) -> str:
    if not rules:
        return ""
    said = "\n".join(rule.model_dump_json() for rule in rules).encode()
    return f"+rules:{blake2b(said, digest_size=6).hexdigest()}"


def _matches(rule: PriceRule, asked: Question) -> bool:
    if not isinstance(rule, DatedPriceRule) or not _names(rule, asked.provider, asked.model):
        return False
    at_us = asked.slot * SLOT_US
    if _us(rule.valid_from, at_us) > at_us or at_us >= _us(rule.valid_until, at_us + 1):
        return False
    place = asked.inference_region or asked.region or ""
    tier = (asked.tier or "standard").lower()
    tiers = {tier, "standard"} if tier in STANDARD_TIERS else {tier}
    return any(_like(one, rule.tier) for one in tiers) and _like(place, rule.region)


def _names(rule: PriceRule, provider: str, model: str) -> bool:
    return _like(provider, rule.provider) and _like(model, rule.model)


def _like(text: str, pattern: str) -> bool:
    """Whether the text fits; a bracket in a pattern is a bracket, as in `claude-sonnet-4[1m]`."""
    return fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))


def _us(at: datetime | None, otherwise: int) -> int:
    return otherwise if at is None else int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def _best(rules: Iterable[PriceRule]) -> PriceRule | None:
    """The most specific rule (law 2)."""
    return max(rules, key=_specificity, default=None)


def _specificity(rule: PriceRule) -> tuple[object, ...]:
    patterns = [rule.model, rule.provider]
    since = 0
    if isinstance(rule, DatedPriceRule):
        patterns += [rule.tier, rule.region]
        since = _us(rule.valid_from, 0)
    return (*(("*" not in text and "?" not in text, len(text.replace("*", ""))) for text in patterns), since, rule.id)


def _under(listed: ModelRates | None, rule: PriceRule | None) -> Quote:
    """List rates under the rule that is for them."""
    if isinstance(rule, PriceOverride):
        return Quote(_overridden(listed, rule), listed, rule)
    if isinstance(rule, Discount) and listed is not None:
        return Quote(_discounted(listed, rule), listed, rule)
    return Quote(listed, listed)


def _overridden(listed: ModelRates | None, override: PriceOverride) -> ModelRates:
    """The list rates with those of the override in their place."""
    own: dict[str, Decimal] = {}
    for name, leaves in OVERRIDE_LEAVES.items():  # the wider names first, so that the narrower ones win
        if name in override.usd_per_mtok:
            own |= dict.fromkeys(leaves, override.usd_per_mtok[name])
    if override.usd_per_request is not None:
        own["requests"] = override.usd_per_request * _PER_CALL
    base = listed or ModelRates((), (_EVERY_MODEL,))
    tiers = tuple(tuple(own.get(part, rate) for part, rate in zip(PARTS, tier, strict=True)) for tier in base.tiers)
    units = {**base.units, **{unit: rate * _PER_UNIT for unit, rate in override.usd_per_unit.items()}}
    return replace(base, tiers=tiers, units=units, estimated=False)


def _discounted(listed: ModelRates, discount: Discount) -> ModelRates:
    """The list rates with the percentage taken off."""
    factor = (_HUNDRED - discount.percent) / _HUNDRED
    tiers = tuple(tuple(None if rate is None else scaled_rate(rate, factor) for rate in tier) for tier in listed.tiers)
    return replace(listed, tiers=tiers, units=_scaled(listed.units, factor))


def _scaled(units: Mapping[str, Decimal], factor: Decimal) -> dict[str, Decimal]:
    return {unit: scaled_rate(rate, factor) for unit, rate in units.items()}
