"""Whatever is sent to a door is read or refused: nothing else is raised, and no input takes more than its size in time.

The doors: the collector, the ClickHouse endpoint, the event decoder (`test_usage_codec.py`), policy files.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.clickhouse.errors import BodyError, StatementError
from deploy.clickhouse.guard import known_functions, refusal_of_text
from deploy.clickhouse.request import from_http, from_multipart
from deploy.clickhouse.statement import first_word, insert_head, output
from deploy.policy_files import PolicyFile, read_policies
from producers.collector.bodies import DOORS
from producers.collector.grants import Grant
from producers.collector.intake import judge
from producers.collector.problems import Problem
from schemas.errors import InvalidMessage, PolicyError
from schemas.secrets import holds_secret
from schemas.usage_codec import decode

ROOT = Path(__file__).parents[2]
GRANT = Grant(sha256="0" * 64, org="acme", credential="checkout", relay=True)
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SEEDS = sorted(
    path.read_bytes() for path in (ROOT / "tests" / "scenarios").glob("*/policies.toml") if path.stat().st_size < 1500
)
EVENT = {
    "specversion": "1.0", "type": "burnline.usage.v1", "source": "svc", "id": "e-1", "time": "2026-11-22T09:15:03Z",
    "data": {"org": "acme", "provider": "openai", "model": "gpt-4o", "input_tokens": 3, "output_tokens": 1},
}  # fmt: skip
PIECES = [*"aFf '`\"\\()/*-;.,\n", "INSERT INTO t ", "SETTINGS ", "FORMAT ", "/*", "*/", "--", "(a)", "SELECT "]
KNOWN = known_functions(table_functions=["url", "numbers"], category_of={})
MANY = 200_000
CPU_SEC = 2.0
"""What an input of MANY pieces may take; each takes hundredths of it, and a century where it is wrong."""


def damaged(raw: bytes, draw: Callable[[Any], Any]) -> bytes:
    """The bytes with a piece cut out, repeated or replaced."""
    at = draw(st.integers(0, len(raw)))
    until = draw(st.integers(at, min(len(raw), at + 40)))
    piece = draw(st.sampled_from([b"", raw[at:until] * 3, b"[", b'"', b"\xff", b"= 1e999999", b"\n[[budget]]\n", b"{"]))
    return raw[:at] + bytes(piece) + raw[until:]


@given(st.data(), st.sampled_from(SEEDS))
def test_no_policy_file_breaks_the_loader(data: Any, seed: bytes) -> None:
    """A file that was damaged anywhere is read, or refused as a policy error."""
    raw = damaged(damaged(seed, data.draw), data.draw)
    with suppress(PolicyError):
        read_policies([PolicyFile("a.toml", raw)])


@given(st.binary(max_size=200), st.sampled_from(["a.toml", "a.csv"]))
def test_no_bytes_break_the_loader(raw: bytes, name: str) -> None:
    """Neither as TOML nor as CSV."""
    with suppress(PolicyError):
        read_policies([PolicyFile(name, raw)])


@given(st.data(), st.sampled_from(sorted(DOORS)), st.sampled_from(["application/json", "application/cloudevents+json"]))
def test_no_damaged_event_breaks_the_collector(data: Any, path: str, kind: str) -> None:
    """What was an event is judged, or is a Problem of the caller's."""
    raw = damaged(json.dumps(EVENT).encode(), data.draw)
    door = DOORS[path]
    with suppress(Problem):
        judge(door.rows(raw, kind, {}), GRANT, now=NOW, default_source=door.source)
    with suppress(InvalidMessage):
        decode(raw)


@given(st.text(max_size=80), st.dictionaries(st.sampled_from(["authorization", "x-clickhouse-user"]), st.text()))
def test_no_url_breaks_the_endpoint(query: str, headers: dict[str, str]) -> None:
    """It is a request, or is refused as one."""
    with suppress(StatementError):
        from_http(query, headers)


@given(st.binary(max_size=120), st.sampled_from(['multipart/form-data; boundary="b"', "multipart/form-data"]))
def test_no_form_breaks_the_endpoint(body: bytes, kind: str) -> None:
    """It has fields, or is refused."""
    with suppress(BodyError, StatementError):
        from_multipart(b"--b\r\n" + body + b"\r\n--b--", kind)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_statement_breaks_the_reader(sql: str) -> None:
    """Its first word, its head, its format and the guard's verdict are there, whatever it is."""
    raw = sql.encode()
    first_word(raw)
    head = insert_head(raw)
    assert head is None or head.data_at <= len(raw)
    output(sql, "Native")
    refusal_of_text(sql, KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        "/**/" * MANY + "INSERT",
        "/* */ " * MANY,
        "--\n" * MANY,
        "INSERT INTO a" + " " * MANY + "x",
        "INSERT INTO a (" + "a," * MANY,
        "INSERT INTO a (" + "()" * MANY,
        "INSERT INTO a SETTINGS " + "x " * MANY,
        "INSERT INTO a SETTINGS x='" + "\\'" * MANY,
        "INSERT INTO a SETTINGS " + "'' " * MANY,
        "INSERT INTO `" + "\\" * MANY,
        "(" * MANY,
        "SELECT 1 FORMAT x" + " " * MANY + "y",
        "FORMAT x " * MANY,
    ],
    ids=lambda text: text[:24],
)
def test_no_statement_takes_longer_than_it_is_long(text: str) -> None:
    """Blanks, comments, parentheses and quotes without end are read once: an analyst cannot stop the engine."""
    began = time.process_time()
    first_word(text.encode())
    insert_head(text.encode())
    output(text, "Native")
    assert time.process_time() - began < CPU_SEC


@pytest.mark.parametrize("nest", ['{"a":', "[", '{"data":{"x":['])
@pytest.mark.parametrize("path", sorted(DOORS))
def test_nesting_is_refused_and_not_followed(path: str, nest: str) -> None:
    """A hundred thousand open brackets are a refusal, in the collector and in the decoder."""
    raw = (nest * 100_000).encode()
    door = DOORS[path]
    began = time.process_time()
    with suppress(Problem):
        found = judge(door.rows(raw, "application/json", {}), GRANT, now=NOW, default_source=door.source)
        assert found.events == []
    with pytest.raises(InvalidMessage):
        decode(raw)
    assert time.process_time() - began < CPU_SEC


def test_many_names_in_one_event_are_refused() -> None:
    """A thousand tags are more than an event may have: no sender makes a thousand columns."""
    raw = json.dumps({**EVENT, "data": {**EVENT["data"], "tags": {f"t{n}": "x" for n in range(1000)}}}).encode()  # type: ignore[dict-item]  # a dict
    with pytest.raises(InvalidMessage, match="tags"):
        decode(raw)


@pytest.mark.parametrize("text", ["sk-" * 20_000, "a" * 60_000, "eyJ" * 20_000, "-" * 60_000, "AKIA" * 15_000])
def test_no_text_takes_the_search_for_secrets_long(text: str) -> None:
    """Every credential is looked at, so looking must be quick for any."""
    began = time.process_time()
    holds_secret(text.encode())
    assert time.process_time() - began < CPU_SEC
