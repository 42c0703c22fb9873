"""Amounts as a person reads them; rounding happens here only, after every comparison."""

from decimal import ROUND_HALF_EVEN, Decimal

from schemas.money import plain
from streams.burn.limits import Unit

_CENT = Decimal("0.01")
_DIGITS = 4
_SHORT = Decimal("0.000001")


def shown(amount: Decimal, unit: Unit) -> str:
    """An amount for a message, thousands apart: USD to the cent, below 1 USD to four digits; whole counts."""
    if unit != "usd":
        return grouped(Decimal(int(amount)))
    if amount == 0 or abs(amount) >= 1:
        return grouped(amount.quantize(_CENT, rounding=ROUND_HALF_EVEN))
    finest = Decimal((0, (1,), amount.adjusted() + 1 - _DIGITS))
    text = plain(amount.quantize(finest, rounding=ROUND_HALF_EVEN))
    whole, _, places = text.partition(".")
    return f"{whole}.{places:0<2}"


def grouped(amount: Decimal) -> str:
    """All digits of an amount, thousands apart: 12 345.60."""
    return f"{amount:,f}".replace(",", " ")


def short(amount: Decimal) -> Decimal:
    """An amount rounded to six decimals, for values that are estimates anyway."""
    return amount.quantize(_SHORT, rounding=ROUND_HALF_EVEN)


def percent(share: Decimal) -> str:
    """A share as a percentage: 0.8 is 80%."""
    return f"{plain(share * 100)}%"


def window_name(sec: int) -> str:
    """A window as a person says it: 5 min, 1 h, 3 d."""
    if sec % 86_400 == 0:
        return f"{sec // 86_400} d"
    return f"{sec // 3600} h" if sec % 3600 == 0 else f"{sec // 60} min"


def unit_name(unit: Unit) -> str:
    """The unit after an amount."""
    return "USD" if unit == "usd" else unit


def lasting(sec: int) -> str:
    """A length of time as a person says it, cut: 40 min, 5 h, 12 d."""
    for length_sec, least, name in ((86_400, 2, "d"), (3600, 2, "h"), (60, 1, "min")):
        if sec >= least * length_sec:
            return f"{sec // length_sec} {name}"
    return "less than a minute"
