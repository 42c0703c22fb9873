"""The columns of a FOCUS 1.2 file of ours: names, types, which may be empty, which values are allowed. Pure.

What later versions draft for AI usage stands in `x_` columns. Where nothing has a price, two things that FOCUS demands
are not known: a cost (it is 0 there, and `x_PricingStatus` says unpriced) and a unit price (it is empty there).
Source: https://focus.finops.org/focus-specification/v1-2/ (column definitions).
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "decimal", "time", "json"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `empty` says whether it may be null, `allowed` its values where there is a list of them."""

    name: str
    kind: Kind
    empty: bool = True
    allowed: tuple[str, ...] = ()


def _columns(kind: Kind, *names: str, empty: bool = True) -> list[Column]:
    return [Column(name, kind, empty) for name in names]


_DEFINED = (
    *_columns("decimal", "BilledCost", "ContractedCost", "EffectiveCost", "ListCost", empty=False),
    *_columns("text", "BillingAccountId", "InvoiceIssuerName", "ProviderName", empty=False),
    *_columns("text", "PublisherName", "ServiceName", empty=False),
    *_columns("time", "BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart", empty=False),
    Column("BillingCurrency", "text", empty=False, allowed=("USD",)),
    Column("ChargeCategory", "text", empty=False, allowed=("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    Column("ChargeClass", "text", allowed=("Correction",)),
    Column("ChargeFrequency", "text", empty=False, allowed=("One-Time", "Recurring", "Usage-Based")),
    Column("CommitmentDiscountCategory", "text", allowed=("Spend", "Usage")),
    Column("CommitmentDiscountStatus", "text", allowed=("Used", "Unused")),
    Column("CapacityReservationStatus", "text", allowed=("Used", "Unused")),
    Column("PricingCategory", "text", allowed=("Standard", "Dynamic", "Committed", "Other")),
    Column("ServiceCategory", "text", empty=False, allowed=("AI and Machine Learning",)),
    Column("ServiceSubcategory", "text", empty=False, allowed=("Generative AI",)),
    *_columns(
        "text", "AvailabilityZone", "BillingAccountName", "BillingAccountType", "CapacityReservationId",
        "ChargeDescription", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountType",
        "CommitmentDiscountUnit", "ConsumedUnit", "InvoiceId", "PricingCurrency", "PricingUnit", "RegionId",
        "RegionName", "ResourceId", "ResourceName", "ResourceType", "SkuId", "SkuMeter", "SkuPriceId", "SubAccountId",
        "SubAccountName", "SubAccountType",
    ),
    *_columns(
        "decimal", "CommitmentDiscountQuantity", "ConsumedQuantity", "ContractedUnitPrice", "ListUnitPrice",
        "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice",
        "PricingQuantity",
    ),
    *_columns("json", "SkuPriceDetails", "Tags"),
)  # fmt: skip
_OWN = (
    *_columns("text", "x_ConsumerId", "x_CredentialId", "x_PrincipalId"),
    Column("x_CostAllocation", "text", empty=False, allowed=("Leaf Prices", "Proportional")),
    *_columns("text", "x_PricingStatus", "x_PriceBookVersion", empty=False),
)
COLUMNS: tuple[Column, ...] = (*sorted(_DEFINED, key=lambda column: column.name), *_OWN)
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
