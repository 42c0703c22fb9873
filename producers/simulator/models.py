"""Models of the day and what a call of each takes: inclusive totals and disjoint leaves as its provider reports them.

No call has more than 180,000 input tokens, so no price tier for long contexts is ever reached. Pure.
"""

from dataclasses import dataclass

from producers.simulator.dice import Dice

MAX_INPUT_TOKENS = 180_000


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model, where it runs, and how it behaves: ms per output token, reasoning and cache as shares in per mille."""

    provider: str
    name: str
    region: str
    us_per_token: int
    reasoning: int = 0
    caches: bool = True


GPT_4O = Model(provider="openai", name="gpt-4o", region="eu", us_per_token=14_000)
GPT_4O_MINI = Model(provider="openai", name="gpt-4o-mini", region="eu", us_per_token=9_000)
O4_MINI = Model(provider="openai", name="o4-mini", region="us", us_per_token=11_000, reasoning=600)
GPT_5_MINI = Model(provider="openai", name="gpt-5-mini", region="us", us_per_token=9_000, reasoning=350)
EMBEDDING = Model(provider="openai", name="text-embedding-3-small", region="eu", us_per_token=0, caches=False)
SONNET = Model(provider="anthropic", name="claude-sonnet-4-5", region="us", us_per_token=16_000)
HAIKU = Model(provider="anthropic", name="claude-haiku-4-5", region="us", us_per_token=8_000)
FLASH = Model(provider="google", name="gemini-2.5-flash", region="eu", us_per_token=5_000, reasoning=200)
PRO = Model(provider="google", name="gemini-2.5-pro", region="us", us_per_token=10_000, reasoning=450)
UNPRICED = Model(provider="inhouse", name="northwind-7b", region="eu", us_per_token=20_000, caches=False)
"""A model of the company's own that no price list knows."""

HABITS: dict[str, tuple[tuple[Model, int], ...]] = {
    "code": ((SONNET, 45), (GPT_5_MINI, 25), (O4_MINI, 15), (HAIKU, 15)),
    "analysis": ((GPT_4O, 35), (O4_MINI, 20), (PRO, 20), (FLASH, 25)),
    "chat": ((GPT_4O_MINI, 45), (GPT_4O, 25), (FLASH, 20), (HAIKU, 10)),
    "writing": ((GPT_4O, 40), (PRO, 30), (HAIKU, 30)),
}


def tokens(  # noqa: PLR0913  sizes of one call, all by name
    dice: Dice, model: Model, *, fresh: int, cached: int = 0, output: int, spread_milli: int = 450
) -> dict[str, int]:
    """The token fields of a call with about `fresh` new and `cached` repeated input tokens and `output` tokens."""
    uncached = dice.size(fresh, spread_milli=spread_milli)
    repeated = dice.size(cached, spread_milli=200) if cached and model.caches else 0
    uncached += 0 if model.caches or not cached else cached
    repeated = min(repeated, MAX_INPUT_TOKENS - min(uncached, MAX_INPUT_TOKENS))
    uncached = min(uncached, MAX_INPUT_TOKENS)
    written = dice.size(output, spread_milli=spread_milli) if output else 0
    said = {"input_tokens": uncached + repeated, "output_tokens": written}
    if repeated:
        said["input_cache_read_tokens"] = repeated
    if model.provider == "anthropic" and repeated:
        # What is new in a cached conversation is written to the cache, now and then for an hour.
        kept = "input_cache_write_1h_tokens" if dice.chance(80) else "input_cache_write_5m_tokens"
        said[kept] = uncached * 4 // 5
    if model.reasoning and written:
        said["output_reasoning_tokens"] = written * dice.between(model.reasoning * 2 // 3, model.reasoning) // 1000
    return said


def latency_ms(dice: Dice, model: Model, said: dict[str, int]) -> tuple[int, int]:
    """(latency, time to first token) of a call, in milliseconds."""
    first = dice.size(350, spread_milli=300) + said["input_tokens"] // 200
    return first + said["output_tokens"] * model.us_per_token // 1000, first
