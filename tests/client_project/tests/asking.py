"""Clients of OpenAI that are watched, and what they ask."""

from typing import Any

from openai import AsyncOpenAI, OpenAI

import burnline_client
from tests.conftest import Told
from tests.provider import Stub

MESSAGES: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a planted secret"}]
CHAT_LEAVES = {
    "input_tokens": 100, "input_uncached_tokens": 36, "input_cache_read_tokens": 64,
    "output_tokens": 20, "output_text_tokens": 15, "output_reasoning_tokens": 5,
}  # fmt: skip
KEY = b"sixteen bytes or more"


def client(provider: Stub, told: Told, **more: Any) -> OpenAI:
    """A client that is watched."""
    made = OpenAI(base_url=f"{provider.url}/v1", api_key="sk-planted", max_retries=more.pop("max_retries", 0))
    return burnline_client.watch(made, told.emitter, **more)


def async_client(provider: Stub, told: Told) -> AsyncOpenAI:
    """The same with await."""
    made = AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="sk-planted", max_retries=0)
    return burnline_client.watch(made, told.emitter)


def tokens(event: dict[str, Any]) -> dict[str, int]:
    """The counts of an event."""
    return {name: held for name, held in event.items() if name.endswith("_tokens")}
