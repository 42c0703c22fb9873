"""Money as exact integers: pico-USD per leaf, (micro-USD, pico remainder) pairs in streams, Decimal at the borders.

Laws
1. 1 USD = 10**12 pico-USD; an event's cost is below 10**6 USD, so its pico-USD fit an int64.
2. split and join are inverse for every integer, negatives included; 0 <= remainder < 10**6.
3. Rounding happens once per leaf, half to even, in `leaf_cost_pico_usd`.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

PICO_PER_USD = 10**12
PICO_PER_MICRO = 10**6
MAX_EVENT_COST_USD = 10**6
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


def leaf_cost_pico_usd(tokens: int | Decimal, price_usd_per_mtok: Decimal) -> int:
    """The cost of one leaf in pico-USD, rounded once, half to even; prices are USD per million tokens (or units)."""
    pico = _EXACT.multiply(_EXACT.multiply(Decimal(tokens), price_usd_per_mtok), Decimal(PICO_PER_MICRO))
    return int(pico.quantize(Decimal(1), rounding=ROUND_HALF_EVEN, context=_EXACT))


def split_pico_usd(pico_usd: int) -> tuple[int, int]:
    """(micro-USD, pico remainder) of an amount; the remainder is never negative."""
    return divmod(pico_usd, PICO_PER_MICRO)


def join_pico_usd(micro_usd: int, pico_remainder: int) -> int:
    """The amount in pico-USD of a pair, which need not be normalised (sums of pairs are pairs)."""
    return micro_usd * PICO_PER_MICRO + pico_remainder


def usd(pico_usd: int) -> Decimal:
    """The amount as an exact Decimal in USD with 12 places."""
    return Decimal(pico_usd).scaleb(-12, context=_EXACT)


def pico_usd(amount_usd: Decimal) -> int:
    """The pico-USD of a Decimal amount, rounded half to even where it is finer than a pico-USD."""
    return int(_EXACT.multiply(amount_usd, Decimal(PICO_PER_USD)).quantize(Decimal(1), context=_EXACT))


def plain(amount: Decimal) -> str:
    """An amount as digits without exponent and without trailing zeros: the form in all our JSON."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
