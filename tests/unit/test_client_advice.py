"""Advice in a gateway: the newest word holds for its time, and whatever goes wrong, calls go on."""

import asyncio
import json
import sys
import types
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from burnline_client.advice import Advice, AdviceBook, AdviceReader
from burnline_client.environment import advice_settings
from burnline_client.errors import RunStoppedError

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "burnline.advice.v1.json"
_DATA = json.loads(EXAMPLE.read_text())["data"]
RUN: str = _DATA["entity_id"]
SAID = datetime.fromisoformat(_DATA["at"])
AT = SAID + timedelta(minutes=5)


def said(**changes: Any) -> bytes:
    """The golden example with other fields of its data."""
    signal = json.loads(EXAMPLE.read_text())
    signal["data"] |= changes
    return json.dumps(signal).encode()


def book(*words: bytes) -> AdviceBook:
    """A book that has read these."""
    found = AdviceBook()
    for word in words:
        found.take(word)
    return found


def test_the_golden_example_is_understood() -> None:
    """What the contract's example says is what a gateway hears."""
    found = book(said()).about("acme", RUN, now=AT)
    assert found is not None
    assert (found.advice, found.rule) == ("stop", "runaway")


def test_advice_ends_by_itself_and_by_a_newer_word() -> None:
    """After `valid_until`, after "continue", about another run or organisation, and before any: continue."""
    later = said(advice="continue", at=(SAID + timedelta(minutes=1)).isoformat())
    assert book(said()).about("acme", RUN, now=AT + timedelta(minutes=5)) is None
    assert book(said(), later).about("acme", RUN, now=AT) is None
    assert book(later, said()).about("acme", RUN, now=AT) is None
    assert book(said()).about("acme", "other", now=AT) is None
    assert book(said()).about("globex", RUN, now=AT) is None
    use_case = book(said(), said(entity_type="use_case", advice="low_value"))  # which is called as the run
    both = (use_case.about("acme", RUN, now=AT), use_case.about_use_case("acme", RUN, now=AT))
    assert [one and one.advice for one in both] == ["stop", "low_value"]
    assert use_case.about_use_case("acme", RUN, now=AT + timedelta(minutes=5)) is None
    assert book(said()).about_use_case("acme", RUN, now=AT) is None


@pytest.mark.parametrize("raw", [b"", b"null", b"{}", b"\xff", said(at=3), said(advice=None), b'{"type": "x"}'])
def test_bytes_that_are_no_advice_change_nothing(raw: bytes) -> None:
    """Whoever can write to the topic can break nothing in a gateway."""
    assert book(said(), raw).about("acme", RUN, now=AT) is not None


def test_memory_is_bounded() -> None:
    """A flood of runs makes a book forget the oldest."""
    found = AdviceBook(most=3)
    for number in range(10):
        found.take(said(entity_id=f"r{number}"))
    assert [found.about("acme", f"r{number}", now=AT) is not None for number in (6, 7, 8, 9)] == [
        False,
        True,
        True,
        True,
    ]


def test_without_kafka_every_run_may_continue() -> None:
    """A reader that reaches nobody hinders nobody, and ends when it is told to."""
    reader = AdviceReader({"bootstrap_servers": "127.0.0.1:9", "topic": "usage.events", "config": {"x": "no such"}})
    assert reader.about("acme", RUN) is None
    reader.close()


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A base class in the place of LiteLLM's, which is not installed here."""
    logger = types.ModuleType("litellm.integrations.custom_logger")
    logger.CustomLogger = type("CustomLogger", (), {})  # type: ignore[attr-defined]  # a made-up module
    for name in ("litellm", "litellm.integrations"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "litellm.integrations.custom_logger", logger)
    yield
    sys.modules.pop("burnline_client.litellm_advice", None)


class Told:
    """An adviser that says the same of the run `stuck`, and fails for `broken`."""

    def __init__(self, advice: str) -> None:
        self.advice = advice

    def about(self, org: str, run: str) -> Advice | None:
        """What is said."""
        if run == "broken":
            raise RuntimeError("no")
        same = Advice(org, run, self.advice, "runaway", "it goes round", AT, AT + timedelta(minutes=10))
        return same if run == "stuck" else None


def ask(data: Any, *, advice: str = "stop", refuses: bool = True) -> Any:
    """What the hook answers a call, as LiteLLM's proxy asks it: by these names."""
    from burnline_client.litellm_advice import BurnlineAdvice  # noqa: PLC0415  it needs litellm

    hook = BurnlineAdvice(Told(advice), org="acme", refuses=refuses)
    return asyncio.run(hook.async_pre_call_hook(user_api_key_dict=None, cache=None, data=data, call_type="completion"))


def test_the_environment_says_whose_runs_and_whether_to_refuse() -> None:
    """Refusing is what the hook is for; `BURNLINE_ADVICE=log` watches first."""
    assert advice_settings({"BURNLINE_ORG": "acme"}) == {"org": "acme", "refuses": True}
    assert advice_settings({"BURNLINE_ORG": "acme", "BURNLINE_ADVICE": "log"}) == {"org": "acme", "refuses": False}


@pytest.mark.usefixtures("litellm")
@pytest.mark.parametrize(
    "data",
    [
        {"litellm_trace_id": "stuck"},
        {"metadata": {"trace_id": "stuck"}},
        {"litellm_metadata": {"trace_id": "stuck"}},
    ],
)
def test_a_stopped_run_is_refused(data: dict[str, Any]) -> None:
    """However a call names its run; the gateway answers with 403 and the reason."""
    with pytest.raises(RunStoppedError, match="it goes round") as refused:
        ask(data)
    assert refused.value.status_code == 403
    assert ask(data, refuses=False) is data
    assert ask(data, advice="ask_owner") is data


@pytest.mark.usefixtures("litellm")
@pytest.mark.parametrize(
    "data",
    [{}, None, [], {"litellm_trace_id": 3}, {"metadata": "x"}, {"litellm_trace_id": "other"},
     {"litellm_trace_id": "broken"}],
)  # fmt: skip
def test_every_other_call_goes_on_as_it_came(data: Any) -> None:
    """Without a run, without advice, and when looking it up fails."""
    assert ask(data) is data
