"""What a task says reaches the calls inside it, and only those; the environment describes an emitter."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from burnline_client import InvalidUsageError, task
from burnline_client.context import current
from burnline_client.environment import emitter_settings, fingerprint_key
from burnline_client.prompts import estimated_input_tokens, fingerprints
from burnline_client.requests import kind_of, provider_of

KEY = b"0123456789abcdef"
_IN = {purpose: {"run": "shared", "purpose": purpose} for purpose in ("a", "b")}


def test_tasks_nest_and_end() -> None:
    """The inner one wins field by field, tags are joined, and after it the outer one is as before."""
    with task(run="r", purpose="a", tags={"x": "1"}):
        with task(purpose="b", tags={"y": "2"}):
            assert current() == {"run": "r", "purpose": "b", "tags": {"x": "1", "y": "2"}}
        assert current() == {"run": "r", "purpose": "a", "tags": {"x": "1"}}
    assert current() == {}


def test_one_task_may_be_entered_by_many_at_once() -> None:
    """Threads and asyncio tasks that share a task object do not disturb each other."""
    shared = task(run="shared")
    seen: list[Mapping[str, Any]] = []

    async def inner(purpose: str, other: asyncio.Event, mine: asyncio.Event) -> None:
        with shared, task(purpose=purpose):
            mine.set()
            await other.wait()
            seen.append(current())

    async def both() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        await asyncio.gather(inner("a", first, second), inner("b", second, first))

    asyncio.run(both())
    with shared:
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    first, second, outside = seen
    assert outside == {}
    assert [{**first}, {**second}] in ([_IN["a"], _IN["b"]], [_IN["b"], _IN["a"]])


def test_a_field_that_cannot_be_is_said_where_it_is_written() -> None:
    """A name that no event has, and a value out of its bounds, are refused at once."""
    with pytest.raises(InvalidUsageError, match="prupose"):
        task(prupose="x")  # type: ignore[call-arg]  # the slip that is tested
    with pytest.raises(InvalidUsageError, match="run"):
        task(run="")


def test_the_environment_describes_an_emitter(tmp_path: Path) -> None:
    """Names of Burnline's own settings; a password stands in a file; the org is required."""
    (tmp_path / "password").write_text("s3cret\n")
    settings = emitter_settings(
        {
            "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": "k:9", "BURNLINE_KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password"),
            "BURNLINE_KAFKA_TOPIC_PREFIX": "eu.", "BURNLINE_ORG": "acme", "BURNLINE_TEAM": "web",
        },
        program="checkout",
    )  # fmt: skip
    assert settings == {
        "bootstrap_servers": "k:9", "source": "checkout", "topic": "eu.usage.events",
        "defaults": {"org": "acme", "team": "web"}, "config": {"sasl.password": "s3cret"}, "spool_dir": None,
        "pepper": None,
    }  # fmt: skip
    with pytest.raises(InvalidUsageError, match="BURNLINE_ORG"):
        emitter_settings({}, program="x")


def test_a_key_for_fingerprints_is_no_short_word(tmp_path: Path) -> None:
    """Fewer than 16 bytes can be tried out, so they are refused."""
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    assert fingerprint_key({"BURNLINE_FINGERPRINT_KEY_FILE": str(path)}) == KEY
    path.write_bytes(b"short")
    with pytest.raises(InvalidUsageError, match="16 bytes"):
        fingerprint_key({"BURNLINE_FINGERPRINT_KEY_FILE": str(path)})


def test_fingerprints_need_a_key_and_fold_white_space() -> None:
    """Equal but for white space is equal; another key, another name; without a key there is none."""
    asked = {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello  there"}]}
    spaced = {"messages": [{"role": "system", "content": " be\nbrief"}, {"role": "user", "content": "hello there"}]}
    other = {"messages": [asked["messages"][0], {"role": "user", "content": "bye"}]}
    assert fingerprints(asked, None) == {}
    assert fingerprints(asked, KEY) == fingerprints(spaced, KEY)
    assert fingerprints(asked, KEY)["prompt_fingerprint"] != fingerprints(other, KEY)["prompt_fingerprint"]
    assert fingerprints(asked, KEY)["prefix_fingerprint"] == fingerprints(other, KEY)["prefix_fingerprint"]
    mine, yours = fingerprints(asked, KEY), fingerprints(asked, KEY[::-1])
    assert mine["prompt_fingerprint"].split("-")[0] != yours["prompt_fingerprint"].split("-")[0]


def test_pictures_do_not_count_as_text() -> None:
    """An estimate looks at texts only."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
    assert estimated_input_tokens({"messages": [{"role": "user", "content": [picture]}]}) == 4
    assert estimated_input_tokens({"model": "m"}) is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/chat/completions", ("openai", "chat")),
        ("/openai/deployments/gpt/chat/completions", ("openai", "chat")),
        ("/v1/completions", ("openai", "text_completion")),
        ("/v1/responses", ("openai", "chat")),
        ("/v1/responses/resp_1/cancel", None),
        ("/v1/messages", ("anthropic", "chat")),
        ("/v1/messages/count_tokens", None),
        ("/v1/messages/batches", None),
        ("/v1/threads/t/messages/list", None),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict", ("anthropic", "chat")),
        ("/model/eu.anthropic.claude/invoke", ("anthropic", "chat")),
        ("/v1/models", None),
    ],
)
def test_calls_that_cost_tokens_are_known_by_their_path(path: str, kind: tuple[str, str] | None) -> None:
    """What is free, or only fetches, is no call."""
    assert kind_of("POST", path) == kind
    assert kind_of("GET", path) is None


def test_the_provider_is_known_by_its_host() -> None:
    """Servers that speak OpenAI's shape are not OpenAI."""
    hosts = ("api.openai.com", "eu.api.openai.com", "acme.openai.azure.com", "api.groq.com", "127.0.0.1")
    assert [provider_of(host, "openai") for host in hosts] == ["openai", "openai", "azure", "groq", "openai"]
