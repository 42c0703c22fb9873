"""Streams of the official `openai` client, watched: asked for usage, hidden, left, dropped, broken."""

import gc
from typing import Any

import pytest

from tests.asking import CHAT_LEAVES, MESSAGES, client, tokens
from tests.conftest import Told
from tests.provider import CHAT_USAGE, WORDS, Stub


def test_a_stream_is_asked_for_its_usage_and_the_caller_does_not_see_it(provider: Stub, told: Told) -> None:
    """The usage chunk that the caller did not ask for is hidden from him, and counted."""
    stream = client(provider, told).chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
    chunks = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks] == [*WORDS, None]
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    assert provider.asked[0]["stream_options"] == {"include_usage": True}
    event = told.one()
    assert tokens(event) == CHAT_LEAVES
    assert (event["status"], event["usage_source"], event["finish_reason"]) == ("ok", "reported", "stop")
    assert 0 <= event["ttft_ms"] <= event["latency_ms"]


@pytest.mark.parametrize("asks", [True, False])
def test_what_the_caller_says_of_usage_stands(provider: Stub, told: Told, *, asks: bool) -> None:
    """Who asks for usage sees it; who refuses it is not overruled, and his call is estimated."""
    options: Any = {"include_usage": asks}
    stream = client(provider, told).chat.completions.create(
        model="gpt", messages=MESSAGES, stream=True, stream_options=options
    )
    assert [chunk.usage.total_tokens for chunk in stream if chunk.usage] == [CHAT_USAGE["total_tokens"]] * asks
    assert provider.asked[0]["stream_options"] == options
    assert told.one()["usage_source"] == ("reported" if asks else "estimated")


def test_a_server_that_refuses_to_be_asked_is_asked_as_the_caller_wrote(provider: Stub, told: Told) -> None:
    """The call succeeds, and the next one to that server is not asked for usage at all."""
    watched = client(provider, told)
    for _ in range(2):
        chunks = list(watched.chat.completions.create(model="strict", messages=MESSAGES, stream=True))
        assert len(chunks) == len(WORDS) + 1
    assert ["stream_options" in asked for asked in provider.asked] == [True, False, False]
    assert [(event["status"], event["usage_source"]) for event in told.events()] == [("ok", "estimated")] * 2


def test_a_stream_that_the_caller_leaves_is_cancelled_and_estimated(provider: Stub, told: Told) -> None:
    """Three pieces passed: three tokens of output; input is a quarter of the prompt's bytes; the event says so."""
    stream = client(provider, told).chat.completions.create(model="hangs", messages=MESSAGES, stream=True)
    for number, _ in enumerate(stream, start=1):
        if number == 3:
            break
    stream.close()
    event = told.one()
    assert (event["status"], event["usage_source"], event["output_tokens"]) == ("cancelled", "estimated", 3)
    assert event["input_tokens"] == -(-(len("system" + "be brief" + "user" + "a planted secret")) // 4)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_is_dropped_unread_is_told(provider: Stub, told: Told) -> None:
    """Whoever forgets a stream, and with it an open connection, is counted all the same."""
    stream = client(provider, told).chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
    del stream
    gc.collect()
    assert told.one()["status"] == "cancelled"


def test_a_stream_that_breaks_is_an_error_with_what_was_seen(provider: Stub, told: Told) -> None:
    """The provider hangs up without an end: the caller's loop ends as ever, and nothing counts as zero."""
    stream = client(provider, told).responses.create(model="breaks", input="a planted secret", stream=True)
    assert len(list(stream)) == 3
    event = told.one()
    assert (event["status"], event["tags"]["error_type"]) == ("error", "incomplete")
    assert (event["usage_source"], event["output_tokens"]) == ("estimated", 2)
