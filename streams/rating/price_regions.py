"""What calls cost more for staying in a place: factors on token rates that genai-prices does not know.

Bedrock's places stand in the model's name, which genai-prices reads. The factors here follow fields of the event.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Uplift:
    """A factor on all token rates of a provider's models of this pattern, where `field` of the event names a place."""

    provider: str  # genai-prices' id of who is paid
    models: re.Pattern[str]
    field: str  # inference_region or region
    places: frozenset[str] | None  # None: every place but the ones in `_NOWHERE`
    factor: Decimal
    since: date
    source: str


_NOWHERE = frozenset({"", "global", "not_available", "default", "auto"})

UPLIFTS = (
    Uplift(
        provider="anthropic",
        models=re.compile(r"claude-(opus|sonnet)-4[-.][6-9]|claude-[a-z]+-[5-9]"),
        field="inference_region",
        places=frozenset({"us"}),
        factor=Decimal("1.1"),
        since=date(2026, 2, 5),
        source="https://platform.claude.com/docs/en/about-claude/pricing#data-residency-pricing",
    ),
    Uplift(
        provider="openai",
        models=re.compile(r"gpt-5\.[4-9]|gpt-[6-9]"),
        field="inference_region",
        places=None,
        factor=Decimal("1.1"),
        since=date(2026, 3, 5),
        source="https://developers.openai.com/api/docs/models/gpt-5.4 (regional processing endpoints)",
    ),
    Uplift(
        provider="google",
        models=re.compile(r"claude-(opus|sonnet|haiku)-4[-.][5-9]|claude-[a-z]+-[5-9]"),
        field="region",
        places=None,
        factor=Decimal("1.1"),
        since=date(2025, 9, 29),
        source="https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai (regional endpoints)",
    ),
)


def uplift_of(provider: str, model: str, *, inference_region: str | None, region: str | None) -> Uplift | None:
    """The factor that a call's place adds, None where it adds none; `provider` and `model` as genai-prices has them."""
    places = {"inference_region": inference_region, "region": region}
    for uplift in UPLIFTS:
        place = places[uplift.field]
        if place is None or uplift.provider != provider or not uplift.models.match(model):
            continue
        named = place.lower()
        if named in uplift.places if uplift.places is not None else named not in _NOWHERE:
            return uplift
    return None
