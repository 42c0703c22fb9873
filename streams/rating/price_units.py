"""What is billed beside tokens: searches, seconds, pages, characters; how the price of each is found.

Laws
1. Units are disjoint, as leaves are: seconds of input audio are not said again as seconds of audio.
2. A unit is priced by the most specific rate that the model has for it; one without any is unpriced, never zero.
3. What a provider does not charge for is listed (`FREE_UNITS`), with the page that says so.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

from genai_prices.types import ModelPrice

UNIT_RATE_KEYS: dict[str, tuple[tuple[str, int], ...]] = {
    "web_searches": (("web_searches_kcount", 1000),),
    "social_searches": (("social_searches_kcount", 1000),),
    "storage_searches": (("storage_searches_kcount", 1000),),
    "code_executions": (("code_executions_kcount", 1000),),
    "rerank_searches": (("rerank_searches_kcount", 1000),),
    "audio_seconds": (("audio_hours", 3600),),
    "input_audio_seconds": (("input_audio_hours", 3600), ("audio_hours", 3600)),
    "output_audio_seconds": (("output_audio_hours", 3600), ("audio_hours", 3600)),
    "input_characters": (("input_mchars", 1_000_000),),
    "input_text_messages": (("input_text_messages_kcount", 1000),),
    "input_pixels": (("input_gpixels", 1_000_000_000),),
    "input_document_pages": (("input_document_kpages", 1000),),
    "input_annotated_document_pages": (("input_annotated_document_kpages", 1000), ("input_document_kpages", 1000)),
    "citation_tokens": (("output_citation_mtok", 1_000_000),),
}
"""For each unit, the rates that may price it, most specific first, and of how many units. Source: data_units."""

AUDIO_SECONDS = frozenset({"audio_seconds", "input_audio_seconds"})
MINIMUM_AUDIO_SEC = 10
"""Groq bills at least so many seconds for a transcription. Source: https://groq.com/pricing (speech recognition)."""
_MINIMUM_MODELS = frozenset({("groq", "whisper-large-v3"), ("groq", "whisper-large-v3-turbo")})

FREE_UNITS: dict[tuple[str, str], str] = {
    ("anthropic", "web_fetches"): "https://platform.claude.com/docs/en/about-claude/pricing#web-fetch-tool",
    ("perplexity", "citation_tokens"): "https://docs.perplexity.ai/docs/getting-started/pricing (Sonar, Sonar Pro)",
}
"""(provider, unit) that costs nothing beside its tokens where the model has no rate for it; and who says so."""

PLACES = 18
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_PER_MILLION = 1_000_000


def scaled_rate(rate: Decimal, factor: Decimal) -> Decimal:
    """A rate times a factor, in at most 18 places (half to even), which is what costs can be exact with."""
    product = _EXACT.multiply(rate, factor)
    exponent = product.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        product = product.quantize(Decimal(1).scaleb(-PLACES), context=_EXACT)
    return product


def unit_rates(provider: str, price: ModelPrice) -> dict[str, Decimal]:
    """What each unit costs that the model has a price for, USD per million units."""
    found: dict[str, Decimal] = {}
    stated = vars(price)
    for unit, keys in UNIT_RATE_KEYS.items():
        for key, of_so_many in keys:
            rate = stated.get(key)
            if isinstance(rate, Decimal):
                found[unit] = scaled_rate(rate, _EXACT.divide(Decimal(_PER_MILLION), Decimal(of_so_many)))
                break
        else:
            if (provider, unit) in FREE_UNITS:
                found[unit] = Decimal(0)
    found |= {unit: Decimal(0) for payee, unit in FREE_UNITS if payee == provider and unit not in UNIT_RATE_KEYS}
    return found


def minimum_audio_sec(provider: str, model: str) -> int:
    """How many seconds of audio a call of the model is billed at least; 0 for nearly all."""
    return MINIMUM_AUDIO_SEC if (provider, model) in _MINIMUM_MODELS else 0
