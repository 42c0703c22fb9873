"""LiteLLM itself with our logger: each call is one event, however it was made. Runs where LiteLLM is installed."""

import asyncio
import os
from typing import Any

import pytest

from tests.conftest import Told
from tests.provider import CHAT_USAGE, Stub

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch prices
litellm: Any = pytest.importorskip("litellm", reason="litellm is not installed (340 MB; pip install litellm)")
pytestmark = pytest.mark.filterwarnings("default")

MESSAGES = [{"role": "user", "content": "a planted secret"}]


@pytest.fixture
def logged(told: Told) -> Told:
    """What LiteLLM's calls became; the logger is the only callback."""
    from burnline_client.litellm_logger import BurnlineLogger  # noqa: PLC0415  it needs litellm

    litellm.callbacks = [BurnlineLogger(told.emitter, key=b"sixteen bytes or more", team="gateway")]
    return told


def arguments(provider: Stub, model: str) -> dict[str, Any]:
    """A call to the stub."""
    return {
        "model": f"openai/{model}", "messages": MESSAGES, "api_base": f"{provider.url}/v1", "api_key": "sk-planted",
        "num_retries": 0, "max_retries": 0, "metadata": {"purpose": "triage"},
    }  # fmt: skip


def test_calls_of_litellm_are_told_once_each(provider: Stub, logged: Told) -> None:
    """Plain, streamed, async and failed calls: four events, right counts, no text."""

    async def work() -> None:
        answer = await litellm.acompletion(**arguments(provider, "awaited"))
        assert answer.usage.prompt_tokens == CHAT_USAGE["prompt_tokens"]
        stream = await litellm.acompletion(
            **arguments(provider, "streamed"), stream=True, stream_options={"include_usage": True}
        )
        async for _ in stream:
            pass
        with pytest.raises(litellm.InternalServerError):
            await litellm.acompletion(**arguments(provider, "down"))
        await asyncio.sleep(0)
        await _workers_done()

    litellm.completion(**arguments(provider, "plain"))
    asyncio.run(work())
    raw = logged.wait_for(4)
    assert len(raw) == 4
    assert [one for one in raw if b"secret" in one or b"sk-planted" in one] == []
    found = {event["model"].removesuffix("-served"): event for event in logged.events()}
    assert set(found) == {"plain", "awaited", "streamed", "down"}
    assert found["down"]["status"] == "error"
    for kind in ("plain", "awaited", "streamed"):
        event = found[kind]
        assert event["prompt_fingerprint"] == found["plain"]["prompt_fingerprint"]
        assert (event["provider"], event["team"], event["status"]) == ("openai", "gateway", "ok")
        assert (event["input_tokens"], event["input_cache_read_tokens"], event["output_tokens"]) == (100, 64, 20)


async def _workers_done() -> None:
    """LiteLLM logs in the background: what it has begun is ended."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER  # noqa: PLC0415  it needs litellm

    await asyncio.wait_for(GLOBAL_LOGGING_WORKER.flush(), 30)
