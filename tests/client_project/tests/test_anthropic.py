"""The official `anthropic` client, watched: cache classes are added, streams are cumulative."""

import asyncio
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic

import burnline_client
from tests.conftest import Told
from tests.provider import Stub

MESSAGES: Any = [{"role": "user", "content": "a planted secret"}]
LEAVES = {
    "input_tokens": 110, "input_uncached_tokens": 40, "input_cache_read_tokens": 60,
    "input_cache_write_5m_tokens": 10, "output_tokens": 25, "output_text_tokens": 25,
}  # fmt: skip


def client(provider: Stub, told: Told) -> Anthropic:
    """A client that is watched."""
    return burnline_client.watch(Anthropic(base_url=provider.url, api_key="sk-planted", max_retries=0), told.emitter)


def tokens(event: dict[str, Any]) -> dict[str, int]:
    """The counts of an event."""
    return {name: held for name, held in event.items() if name.endswith("_tokens")}


def test_plain_streamed_and_helped_calls_say_the_same(provider: Stub, told: Told) -> None:
    """A message, its stream, and the stream's helper: the same counts; counting tokens is no call."""
    watched = client(provider, told)
    watched.messages.create(model="claude", max_tokens=10, messages=MESSAGES)
    list(watched.messages.create(model="claude", max_tokens=10, messages=MESSAGES, stream=True))
    with watched.messages.stream(model="claude", max_tokens=10, messages=MESSAGES) as stream:
        assert "".join(stream.text_stream) == "one two three four "
    watched.messages.count_tokens(model="claude", messages=MESSAGES)
    events = told.events()
    assert len(events) == 3
    for event in events:
        assert tokens(event) == LEAVES
        assert {name: event[name] for name in ("provider", "model", "requested_model", "service_tier", "status")} == {
            "provider": "anthropic", "model": "claude-served", "requested_model": "claude", "service_tier": "standard",
            "status": "ok",
        }  # fmt: skip
        assert (event["finish_reason"], event["usage_source"]) == ("end_turn", "reported")


def test_a_stream_that_is_left_keeps_the_input_it_was_told(provider: Stub, told: Told) -> None:
    """Input is what the provider said at the start; output is what passed, and both are marked as estimated."""
    with client(provider, told).messages.stream(model="hangs", max_tokens=10, messages=MESSAGES) as stream:
        for text in stream.text_stream:
            assert text == "one "
            break
    event = told.one()
    assert (event["status"], event["usage_source"]) == ("cancelled", "estimated")
    assert (event["input_tokens"], event["input_cache_read_tokens"], event["output_tokens"]) == (110, 60, 1)


def test_errors_are_told_without_counts(provider: Stub, told: Told) -> None:
    """The caller gets his error; the event has its status, and no zero."""
    with pytest.raises(anthropic.InternalServerError):
        client(provider, told).messages.create(model="down", max_tokens=10, messages=MESSAGES)
    event = told.one()
    assert (event["status"], event["http_status"], event["usage_source"]) == ("error", 500, "missing")
    assert tokens(event) == {}


def test_async_calls_and_streams(provider: Stub, told: Told) -> None:
    """With await the same."""

    async def work() -> None:
        made = AsyncAnthropic(base_url=provider.url, api_key="sk-planted", max_retries=0)
        async with burnline_client.watch(made, told.emitter) as watched:
            await watched.messages.create(model="claude", max_tokens=10, messages=MESSAGES)
            async with watched.messages.stream(model="claude", max_tokens=10, messages=MESSAGES) as stream:
                assert await stream.get_final_text() == "one two three four "

    asyncio.run(work())
    assert [tokens(event) for event in told.events()] == [LEAVES, LEAVES]
