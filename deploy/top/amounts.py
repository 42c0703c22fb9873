"""Amounts as a person reads them at a glance: few digits, no false zeros. Pure; exact values are for `--json`."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from deploy.cli.output import age
from deploy.top.picture import Band, BudgetLine, Burner, Past

_BARS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "?"


def usd(amount: Decimal) -> str:
    """Two decimals where they say something; an amount that is not zero never looks like it."""
    size = abs(amount)
    if size >= 100_000:
        return count(amount)
    if size >= 1000:
        return f"{amount:,.0f}"
    if 0 < size < Decimal("0.005"):
        return "<0.01" if amount > 0 else ">-0.01"
    return f"{amount:,.1f}" if size >= 100 else f"{amount:.2f}"


def count(amount: Decimal | int) -> str:
    """Whole, up to five digits; then k, M, G."""
    size = abs(Decimal(amount))
    for unit, length in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if size >= 100 * length or (size >= 10 * length and unit != "k"):
            return f"{amount / length:,.0f}{unit}"
    return f"{amount:,.0f}"


def in_unit(amount: Decimal, unit: str) -> str:
    """An amount of a budget, to the cent up to a million."""
    if unit == "usd":
        return f"{amount:,.2f}" if abs(amount) < 1_000_000 else count(amount)
    return count(amount)


def spent(line: BudgetLine) -> str:
    """What was spent; `+` says that calls without a price come on top."""
    return in_unit(line.spent, line.unit) + ("+" if line.estimated_usd else "")


def used(line: BudgetLine) -> str:
    """The share of the limit; of a budget for each member that of the fullest."""
    if line.spent_to_limit_ratio is None:
        return "over" if line.spent > 0 else "-"
    return f"{line.spent_to_limit_ratio:,.0%}" if line.spent_to_limit_ratio < 1000 else ">99,999%"


def band(found: Band | None, unit: str) -> str:
    """From one chance in ten below to one in ten above."""
    return "-" if found is None else f"{in_unit(found.p10, unit)}..{in_unit(found.p90, unit)}"


def usd_per_hour(burner: Burner) -> str:
    """The rate of five minutes; `?` where none of it has a price, `+` where some has not."""
    return _with_unpriced(burner.usd_per_hour, burner, burner.requests_short)


def usd_of_hour(burner: Burner) -> str:
    """The cost of the last hour, marked likewise."""
    return _with_unpriced(burner.cost_usd, burner, burner.requests)


def _with_unpriced(amount: Decimal, burner: Burner, requests: int) -> str:
    if not burner.unpriced_requests or not requests:
        return usd(amount)
    return f"{usd(amount)}+" if amount else _UNKNOWN


def unpriced(burner: Burner) -> str:
    """How many calls have no price, and what they may cost at most where that is known."""
    if not burner.unpriced_requests:
        return "-"
    most = f" <={usd(burner.ceiling_usd)}" if burner.ceiling_usd else ""
    return f"{count(burner.unpriced_requests)}{most}"


def sparkline(past: Past) -> str:
    """The last hour as twelve bars, each to the highest; a blank where nothing is known, a dot where nothing burnt."""
    money = [None if piece is None else piece.usd_per_hour for piece in past]
    shown = money if any(money) else [None if piece is None else piece.tokens_per_min for piece in past]
    return "".join(_bar(amount, max((each or Decimal(0) for each in shown), default=Decimal(0))) for amount in shown)


def _bar(amount: Decimal | None, highest: Decimal) -> str:
    if amount is None:
        return " "
    if amount <= 0:
        return "."
    return _BARS[min(len(_BARS) - 1, int(amount / highest * len(_BARS)))]


def models(found: Sequence[tuple[str, int]]) -> str:
    """The first of these names, and how many more there are."""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(name or "(no model)" for name, _ in found[:3]) + more


def until(end: datetime, now: datetime) -> str:
    """How long a period still lasts."""
    left_sec = (end - now).total_seconds()
    return f"in {age(left_sec)}" if left_sec > 0 else "over"
