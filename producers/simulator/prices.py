"""What a leaf costs, asked of genai-prices itself: the price of 1,000 tokens of that leaf and nothing else.

It shares no code with rating. No call of the day is long enough for a price tier, so one rate per leaf is the truth.
"""

from datetime import datetime
from decimal import Decimal

from genai_prices import Usage, calc_price

PICO_PER_USD = 10**12
_ASKED = 1000
_USAGE = {
    "input_uncached_tokens": ("input_tokens",),
    "input_cache_read_tokens": ("input_tokens", "cache_read_tokens"),
    "input_cache_write_5m_tokens": ("input_tokens", "cache_write_tokens"),
    "input_cache_write_1h_tokens": ("input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    "output_text_tokens": ("output_tokens",),
    "output_reasoning_tokens": ("output_tokens", "output_reasoning_tokens"),
}
LEAVES = tuple(_USAGE)
"""The leaves that occur in the day; of each side the first is what no other leaf says."""


def pico_usd_per_token(provider: str, model: str, leaf: str, at: datetime) -> int | None:
    """The price of one token in pico-USD, exactly; None where genai-prices knows no such model.

    Raises: ArithmeticError: the price is finer than a pico-USD per token, which no model of the day has.
    """
    usage = Usage(**dict.fromkeys(_USAGE[leaf], _ASKED))
    try:
        asked = calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    pico = Decimal(asked.total_price) * PICO_PER_USD / _ASKED
    if pico != int(pico):
        raise ArithmeticError(f"{model}: {pico} pico-USD per token of {leaf} is no whole number")
    return int(pico)
