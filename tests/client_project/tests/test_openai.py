"""The official `openai` client, watched: it behaves as before, and each call becomes one event that is right."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

import burnline_client
import schemas
from tests.asking import CHAT_LEAVES, KEY, MESSAGES, async_client, client, tokens
from tests.conftest import Told
from tests.provider import WORDS, Stub


def test_the_project_keeps_its_own_schemas() -> None:
    """The package `schemas` here is the service's, whatever Burnline calls its own."""
    assert Path(str(schemas.__file__)).parent == Path(__file__).parents[1] / "schemas"


def test_a_plain_call_is_one_event_with_its_task(provider: Stub, told: Told) -> None:
    """Leaves are disjoint, the served model and tier are the answer's, the task is beside them."""
    watched = client(provider, told, team="web", tags={"a": "1"})
    assert type(watched) is OpenAI
    with burnline_client.task(run="run-7", purpose="triage", use_case="support", tags={"b": "2"}):
        answer = watched.chat.completions.create(model="gpt", messages=MESSAGES)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 100
    event = told.one()
    assert tokens(event) == CHAT_LEAVES
    assert event.pop("latency_ms") >= 0
    assert len(event.pop("operation_id")) == 36
    assert {name: held for name, held in event.items() if name not in CHAT_LEAVES} == {
        "org": "acme", "team": "web", "run": "run-7", "purpose": "triage", "use_case": "support",
        "provider": "openai", "requested_model": "gpt", "model": "gpt-served", "operation": "chat", "attempt": 1,
        "service_tier": "default", "status": "ok", "http_status": 200, "finish_reason": "stop",
        "usage_source": "reported", "tags": {"a": "1", "b": "2", "response_id": "chatcmpl-1"},
    }  # fmt: skip


def test_no_text_and_no_key_is_in_an_event(provider: Stub, told: Told) -> None:
    """What was asked, what was answered and the key stay where they are; equal prompts have equal fingerprints."""
    watched = client(provider, told, key=KEY)
    for _ in range(2):
        watched.chat.completions.create(model="gpt", messages=MESSAGES)
    watched.chat.completions.create(model="gpt", messages=[*MESSAGES, {"role": "user", "content": "another"}])
    with pytest.raises(openai.InternalServerError):
        watched.chat.completions.create(model="down", messages=MESSAGES)
    raw = told.raw()
    assert [word for word in (b"secret", b"sk-planted", b"be brief") if any(word in one for one in raw)] == []
    first, second, other, _ = told.events()
    assert first["prompt_fingerprint"] == second["prompt_fingerprint"] != other["prompt_fingerprint"]
    assert first["prefix_fingerprint"] == other["prefix_fingerprint"]
    assert first["credential"] == other["credential"]


def test_responses_are_read_plain_and_streamed(provider: Stub, told: Told) -> None:
    """Both say the same counts, and the tier that served."""
    watched = client(provider, told)
    watched.responses.create(model="gpt", input="a planted secret")
    list(watched.responses.create(model="gpt", input="a planted secret", stream=True))
    with watched.responses.stream(model="gpt", input="a planted secret") as helper:
        assert helper.get_final_response().id == "resp_1"
    events = told.events()
    assert len(events) == 3
    for event in events:
        assert tokens(event) == {
            "input_tokens": 75, "input_uncached_tokens": 50, "input_cache_read_tokens": 25,
            "output_tokens": 30, "output_text_tokens": 20, "output_reasoning_tokens": 10,
        }  # fmt: skip
        assert (event["service_tier"], event["status"], event["model"]) == ("priority", "ok", "gpt-served")


def test_copies_raw_responses_and_embeddings_are_seen(provider: Stub, told: Told) -> None:
    """What goes through the client's HTTP client is seen, however it was asked; what costs nothing is not told."""
    watched = client(provider, told)
    watched.with_options(timeout=5).chat.completions.create(model="copy", messages=MESSAGES)
    raw = watched.chat.completions.with_raw_response.create(model="raw", messages=MESSAGES)
    assert raw.parse().id == "chatcmpl-1"
    with watched.chat.completions.with_streaming_response.create(model="late", messages=MESSAGES) as late:
        assert late.parse().id == "chatcmpl-1"
    watched.embeddings.create(model="vector", input="a planted secret")
    events = told.events()
    assert [(event["requested_model"], event["input_tokens"]) for event in events] == [
        ("copy", 100), ("raw", 100), ("late", 100), ("vector", 8),
    ]  # fmt: skip
    assert [event["status"] for event in events] == ["ok"] * 4
    assert events[3]["operation"] == "embeddings"


def test_attempts_of_a_call_share_their_operation(provider: Stub, told: Told) -> None:
    """A call that succeeds at the second attempt is two requests of one operation; the failed one has no counts."""
    answer = client(provider, told, max_retries=1).chat.completions.create(model="flaky", messages=MESSAGES)
    assert answer.id == "chatcmpl-1"
    failed, good = told.events()
    assert failed["operation_id"] == good["operation_id"]
    assert [(one["attempt"], one["status"], one["http_status"]) for one in (failed, good)] == [
        (1, "error", 500), (2, "ok", 200),
    ]  # fmt: skip
    assert (failed["usage_source"], tokens(failed)) == ("missing", {})


def test_a_refused_connection_is_an_event_and_the_callers_error(told: Told) -> None:
    """The caller gets the error that he would have got."""
    watched = burnline_client.watch(
        OpenAI(base_url="http://127.0.0.1:9/v1", api_key="sk-planted", max_retries=0), told.emitter
    )
    with pytest.raises(openai.APIConnectionError):
        watched.chat.completions.create(model="gpt", messages=MESSAGES)
    event = told.one()
    assert (event["status"], event["tags"]["error_type"], event["model"]) == ("error", "ConnectError", "gpt")


@pytest.mark.parametrize("model", ["silent", "disagree"])
def test_usage_that_is_missing_or_disagrees_is_not_zero(provider: Stub, told: Told, model: str) -> None:
    """The call is told without counts, and says why."""
    client(provider, told).chat.completions.create(model=model, messages=MESSAGES)
    event = told.one()
    assert (event["usage_source"], tokens(event)) == ("missing", {})
    assert ("usage_refused" in event["tags"]) == (model == "disagree")


def test_async_calls_streams_and_cancellations(provider: Stub, told: Told) -> None:
    """With await the same: plain, streamed, cancelled while it waits, each with the task it ran in."""

    async def work() -> None:
        watched = async_client(provider, told)

        async def in_task(run: str, model: str) -> None:
            with burnline_client.task(run=run):
                async for _ in await watched.chat.completions.create(model=model, messages=MESSAGES, stream=True):
                    seen.set()

        seen = asyncio.Event()
        with burnline_client.task(run="plain"):
            await watched.chat.completions.create(model="gpt", messages=MESSAGES)
        await asyncio.gather(in_task("a", "gpt"), in_task("b", "gpt"))
        seen.clear()
        waiting = asyncio.create_task(in_task("c", "hangs"))
        await seen.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await watched.close()

    asyncio.run(work())
    found = {event["run"]: (event["status"], event["usage_source"]) for event in told.events()}
    assert found == {
        "plain": ("ok", "reported"), "a": ("ok", "reported"), "b": ("ok", "reported"), "c": ("cancelled", "estimated"),
    }  # fmt: skip


class _Broken:
    """An emitter that fails in every way."""

    def emit(self, **_: Any) -> str:
        raise RuntimeError("broken")


def test_a_broken_emitter_harms_no_call(provider: Stub, caplog: pytest.LogCaptureFixture) -> None:
    """Calls and streams go on as if nobody watched; the log says what is wrong."""
    watched = burnline_client.watch(OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0), _Broken())
    with caplog.at_level(logging.ERROR, logger="burnline_client"):
        assert watched.chat.completions.create(model="gpt", messages=MESSAGES).id == "chatcmpl-1"
        stream = watched.chat.completions.create(model="gpt", messages=MESSAGES, stream=True)
        assert len(list(stream)) == len(WORDS) + 1


def test_only_clients_of_the_two_packages_are_taken(told: Told) -> None:
    """A slip of the pen is said at once."""
    with pytest.raises(TypeError, match="openai or anthropic"):
        burnline_client.watch(object(), told.emitter)
    with pytest.raises(burnline_client.InvalidUsageError, match="prupose"):
        burnline_client.task(prupose="x")
