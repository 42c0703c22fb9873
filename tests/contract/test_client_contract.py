"""The client accepts and refuses what Burnline's contract does, and says the same; proven without a broker."""

import ast
import json
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnline_client import InvalidUsageError, contract
from burnline_client.contract import MAX_EVENT_BYTES, event_key, usage_event
from burnline_client.fields import INPUT_LEAVES, KNOWN, OUTPUT_LEAVES, REQUIRED, UsageFields
from burnline_client.identity import time_ordered_id
from schemas import keys, usage
from schemas.errors import InvalidMessage
from schemas.usage_codec import decode, skim

AT = datetime(2026, 11, 22, 9, 15, 3, 120000, tzinfo=UTC)
LEAST: dict[str, Any] = {"org": "acme", "provider": "openai", "model": "gpt-4o"}
CLIENT = Path(__file__).parents[2] / "producers" / "client"

_strings = st.one_of(
    st.sampled_from(
        ["a", "", "a\n", "a\x00b", "\x7f", "é" * 256, "é" * 257, "x" * 1025, "1.5", "ok", "reported", "error"]
    ),
    st.text(max_size=8),
)
_numbers = st.one_of(
    st.sampled_from([-1, 0, 1, 99, 100, 599, 600, 2**31 - 1, 2**31, 10**12, 10**12 + 1, 2**63, 2**70, 3.0, 0.5, True]),
    st.integers(-5, 700),
)
_mappings = st.dictionaries(_strings, st.one_of(_strings, _numbers), max_size=2)
_values = st.one_of(_strings, _numbers, _mappings, st.none(), st.lists(_numbers, max_size=1))
_tokens = st.dictionaries(
    st.sampled_from(["input_tokens", "output_tokens", *INPUT_LEAVES[:3], *OUTPUT_LEAVES[:3]]), st.integers(0, 3)
)
_fields = st.one_of(
    st.dictionaries(st.sampled_from(sorted(KNOWN)), _values, max_size=3),
    _tokens,
    st.sampled_from(sorted(KNOWN)).flatmap(lambda name: _values.map(lambda value: {name: value})),
)


def _accepted_by_client(fields: dict[str, Any]) -> bytes | None:
    try:
        return usage_event(source="checkout-api", id="e-1", time=AT, fields=fields)
    except InvalidUsageError:
        return None


def _accepted_by_contract(fields: dict[str, Any]) -> bool:
    said = {name: value for name, value in fields.items() if value is not None}
    raw = json.dumps(
        {
            "specversion": "1.0",
            "type": "burnline.usage.v1",
            "source": "s",
            "id": "e-1",
            "time": AT.isoformat(),
            "data": said,
        }
    ).encode()
    try:
        decode(raw)
    except InvalidMessage:
        return False
    return True


def test_client_knows_exactly_the_fields_of_the_generated_schema() -> None:
    """Every field of the checked-in JSON Schema can be said with the client, and no other."""
    text = (Path(usage.__file__).parent / "json" / "burnline.usage.v1.json").read_text()
    data = json.loads(text)["$defs"]["UsageData"]
    assert data["properties"].keys() == KNOWN
    assert set(data["required"]) == set(REQUIRED)
    assert (INPUT_LEAVES, OUTPUT_LEAVES) == (usage.INPUT_LEAVES, usage.OUTPUT_LEAVES)
    assert get_type_hints(UsageFields).keys() == KNOWN


@settings(max_examples=150, deadline=None)
@given(_fields)
@example({"team": "a\n"})
@example({"tags": {"a\n": "b"}})
@example({"user_agent": "x" * 1025})
@example({"reported_cost_usd": "1.5\n"})
@example({"reported_cost_usd": "1."})
@example({"input_tokens": 3, "input_uncached_tokens": 2})
@example({"input_tokens": 3, "input_cache_read_tokens": 2})
@example({"output_tokens": True})
@example({"latency_ms": 2**31})
@example({"void": True})
@example({"void": True, "revision": 2})
@example({"void": 1, "revision": 2})
@example({"void": False})
def test_client_accepts_exactly_what_the_contract_accepts(fields: dict[str, Any]) -> None:
    """For known fields of any value, the client raises where Burnline would make a dead letter, and only there."""
    both = LEAST | fields
    assert (_accepted_by_client(both) is not None) == _accepted_by_contract(both)


@given(_tokens)
def test_an_accepted_event_is_read_with_the_values_that_were_given(tokens: dict[str, int]) -> None:
    """What the client sends, the hot path reads back unchanged."""
    raw = _accepted_by_client(LEAST | tokens)
    if raw is None:
        return
    event = decode(raw)
    assert (event.source, event.id, event.time) == ("checkout-api", "e-1", AT)
    assert {name: getattr(event.data, name) for name in tokens} == tokens


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"org": None}, "org: required"),
        ({"modle": "x"}, "modle: no such field"),
        ({"team": "a\nb"}, "team"),
        ({"input_tokens": 2, "input_cache_read_tokens": 3}, "input_tokens is 2 but its leaves add up to 3"),
        ({"input_tokens": -1}, "input_tokens"),
        ({"units": {"images": float("nan")}}, "units"),
        ({"team": "\ud800"}, "surrogates"),
        (
            {"tags": {f"t{n}": "x" * 1024 for n in range(64)}, "asserted": {f"t{n}": "😀" * 1024 for n in range(64)}},
            None,
        ),
    ],
)
def test_a_refusal_names_the_field(change: dict[str, Any], said: str | None) -> None:
    """The message of a refusal says which field to mend; what is allowed passes."""
    fields = LEAST | change
    if said is None:
        assert usage_event(source="s", id="1", time=AT, fields=fields)
        return
    with pytest.raises(InvalidUsageError, match=said):
        usage_event(source="s", id="1", time=AT, fields=fields)


def test_the_largest_event_that_the_fields_allow_fits_into_a_message() -> None:
    """Every bound of every field used to the full stays below 1 MiB."""
    tags = {"\U0001f600" * 254 + f"{n:02}": "\U0001f600" * 1024 for n in range(64)}
    names = {name: "\U0001f600" * 256 for name in KNOWN if get_type_hints(UsageFields)[name] == str | None}
    fields = LEAST | names | {"tags": tags, "asserted": tags, "units": dict.fromkeys(tags, 1e15)}
    fields |= {"identity_trust": None, "usage_source": None, "status": None, "reported_cost_usd": None}
    raw = usage_event(source="\U0001f600" * 256, id="\U0001f600" * 256, time=AT, fields=fields)
    assert 700_000 < len(raw) < MAX_EVENT_BYTES


def test_a_message_that_is_too_large_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the bounds ever grow, a message over the limit is an error at the call."""
    monkeypatch.setattr(contract, "MAX_EVENT_BYTES", 100)
    with pytest.raises(InvalidUsageError, match="at most 100 are read"):
        usage_event(source="s", id="1", time=AT, fields=LEAST)


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)])  # noqa: DTZ001  naive on purpose
def test_time_must_be_aware_and_after_1999(at: datetime) -> None:
    """A time without a zone, or before 2000, is refused at the call."""
    with pytest.raises(InvalidUsageError):
        usage_event(source="s", id="1", time=at, fields=LEAST)


def test_time_is_written_in_utc_to_the_microsecond() -> None:
    """A time with any offset is the same instant in UTC."""
    at = datetime(2026, 11, 22, 14, 45, 3, 120001, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    raw = usage_event(source="s", id="1", time=at, fields=LEAST)
    assert json.loads(raw)["time"] == "2026-11-22T09:15:03.120001Z"


@given(
    st.text(
        st.characters(exclude_categories=["Cs"], min_codepoint=32, exclude_characters='\\"'), min_size=1, max_size=20
    )
)
@example("Zürich 東京 😀\x7f\u2028")
def test_text_is_raw_utf_8_which_the_fast_path_reads(text: str) -> None:
    """No escape is written where JSON needs none: rating's fast path reads the event, whatever the language."""
    raw = usage_event(source="s", id="1", time=AT, fields=LEAST | {"team": text, "tags": {text: text}})
    assert f'"team":"{text}","tags":{{"{text}":"{text}"}}'.encode() in raw
    assert b"\\" not in raw
    assert skim(raw) is not None


@given(st.fixed_dictionaries({"org": st.just("o")}, optional={"team": st.just("t"), "credential": st.just("c")}))
def test_key_is_the_one_of_all_producers(who: dict[str, str]) -> None:
    """The client keys by credential, else team, else org, as `schemas.keys` says."""
    expected = keys.event_key(org=who["org"], team=who.get("team"), credential=who.get("credential"))
    assert event_key(who).encode() == expected


def test_ids_are_uuids_in_order_of_time() -> None:
    """Ids of later milliseconds sort later, and are valid UUIDs of version 7."""
    now_ms = time.time_ns() // 1_000_000
    ids = [time_ordered_id(now_ms + n) for n in range(100)]
    assert ids == sorted(ids)
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in ids} == {(7, uuid.RFC_4122)}


def test_client_is_python_3_10_and_imports_no_room() -> None:
    """The client's source parses as Python 3.10 and imports only what it may: two dependencies, its host."""
    allowed = {"confluent_kafka", "msgspec", "burnline_client", "typing_extensions"} | sys.stdlib_module_names
    for path in sorted((CLIENT / "burnline_client").glob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 10))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            host = {"litellm"} if path.name in {"litellm_logger.py", "litellm_advice.py"} else set()
            assert {name.split(".")[0] for name in names} <= allowed | host, path


def test_client_works_in_a_project_with_schemas_and_tests_of_its_own(tmp_path: Path) -> None:
    """Packages called `schemas` and `tests` of the service are left alone, and none of ours is loaded."""
    for name in ("schemas", "tests", "producers", "deploy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"OWNER = 'the service: {name}'\n")
    program = """
import schemas, tests, sys
from datetime import datetime, timezone
from burnline_client import UsageEmitter, UndeliveredError
emitter = UsageEmitter(bootstrap_servers="127.0.0.1:1", source="svc", defaults={"org": "acme"})
emitter.emit(provider="openai", model="gpt-4o", input_tokens=1)
try:
    emitter.close(timeout_sec=0.2)
except UndeliveredError as error:
    rooms = sys.modules.keys() & {"producers", "streams", "sinks", "deploy"}
    print(error.count, schemas.OWNER, tests.OWNER, sorted(rooms))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{CLIENT}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "1 the service: schemas the service: tests []"
