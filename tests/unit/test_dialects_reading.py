"""What every dialect shares: times that files do not say, folders, names that changed, values at their bounds."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producers.dialect import Draft, Row, Skipped
from producers.dialects import otel
from producers.dialects.documents import Document, documents
from producers.dialects.values import key_id, moment, unknown_keys, usd_text
from producers.formats import FORMATS
from producers.plan import prepare, read
from producers.stamp import Event, parse_sets
from schemas.errors import InputError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT = datetime(2026, 11, 22, 9, 15, 3, tzinfo=UTC)
BODY = {"type": "message", "id": "m", "model": "claude-x", "usage": {"input_tokens": 1, "output_tokens": 2}}


def _items(path: Path, *sets: str) -> list[Event | Skipped]:
    plan = prepare("anthropic", [str(path)], now=NOW, sets=parse_sets(["org=acme", *sets]))
    return list(read(plan, now=NOW))


def test_a_body_without_time_gets_the_time_that_is_set(tmp_path: Path) -> None:
    """A body that says its time keeps it; one that says none has the time of `--set time`, or is skipped for it."""
    file = tmp_path / "bodies.jsonl"
    file.write_text(
        json.dumps(BODY) + "\n" + json.dumps({"time": "2026-11-22T09:15:03Z", "response": {**BODY, "id": "n"}})
    )
    without = _items(file)
    assert [item.reason if isinstance(item, Skipped) else item.time for item in without] == ["missing_field", AT]
    given = _items(file, "time=2026-11-21T10:00:00+01:00")
    assert [item.time for item in given if isinstance(item, Event)] == [datetime(2026, 11, 21, 9, tzinfo=UTC), AT]
    assert ["time" in json.loads(item.value)["data"] for item in given if isinstance(item, Event)] == [False, False]


@pytest.mark.parametrize("text", ["time=", "time=yesterday", "time=2026-11-22T09:15:03"])
def test_a_set_time_has_an_offset(text: str) -> None:
    """`--set time` without an offset, or no time at all, is refused with what to write."""
    with pytest.raises(InputError, match="write RFC 3339 with an offset"):
        parse_sets([text])


def test_a_folder_of_bodies_is_read_at_any_depth(tmp_path: Path) -> None:
    """JSON files at any depth are read, in the order of their paths; other files are not."""
    for place, name in enumerate(("b/two.json", "a.jsonl", "b/notes.md", "c.ndjson")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**BODY, "id": f"m{place}"}, indent=None if name.endswith("l") else 2))
    found = _items(tmp_path, "time=2026-11-22T09:00:00Z")
    assert [item.id.split("~")[0] for item in found if isinstance(item, Event)] == ["m1", "m0", "m3"]


def test_a_folder_without_files_of_the_format_is_an_error(tmp_path: Path) -> None:
    """The message says which names would have been read."""
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(InputError, match=r"folder without files named \*.json or"):
        _items(tmp_path)


def _span(**usage: int | str) -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    listed = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    listed += [{"key": f"gen_ai.usage.{key}", "value": {"intValue": str(value)}} for key, value in usage.items()]
    span = {"traceId": "t", "spanId": "s", "startTimeUnixNano": "1795338903000000000", "attributes": listed}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def _row(usage: dict[str, int]) -> Row:
    rows = list(FORMATS["otel"].read([json.dumps(_span(**usage))]))
    assert len(rows) == 1
    return rows[0]


LEAF = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "input_cache_read_tokens",
    "cache_write": "input_cache_write_other_tokens",
    "reasoning": "output_reasoning_tokens",
    "input_audio": "input_audio_tokens",
    "input_image": "input_image_tokens",
    "output_audio": "output_audio_tokens",
}


@pytest.mark.parametrize(
    ("meaning", "alias"), [(meaning, alias) for meaning in LEAF for alias in otel.ALIASES[meaning]]
)
def test_a_count_is_read_under_every_name_it_had(meaning: str, alias: str) -> None:
    """A renamed attribute loses no count, and is no unknown one."""
    totals = {} if meaning in {"input", "output"} else {"input_tokens": 100, "output_tokens": 100}
    row = _row({**totals, alias: 7})
    assert isinstance(row, Draft)
    assert row.data[LEAF[meaning]] == 7
    assert "tags" not in row.data


def test_the_current_name_wins() -> None:
    """Where an instrumentation writes both names, the count is taken once, from the current one."""
    row = _row({"input_tokens": 10, "prompt_tokens": 11, "output_tokens": 1})
    assert isinstance(row, Draft)
    assert row.data["input_tokens"] == 10


def test_an_unknown_count_is_named_in_a_tag() -> None:
    """What stands under `gen_ai.usage.` and is not known is seen in a tag, whatever it is."""
    row = _row({"input_tokens": 10, "output_tokens": 1, "brand_new.input_tokens": 5})
    assert isinstance(row, Draft)
    assert row.data["tags"] == {"unknown_usage": "gen_ai.usage.brand_new.input_tokens"}


def test_names_of_unknown_counts_are_no_way_in_for_text() -> None:
    """A key that is no plain name is not copied."""
    assert unknown_keys({"my secret prompt": 1, "b": 0, "a": 2}, frozenset(), "usage.") == "usage.?,usage.a"


def test_a_broken_document_hides_nothing() -> None:
    """After a document without end, a text without end, or junk, the next whole line is read."""
    text = '{"a": {\n{"x": 1}\n{"b": "no end\n{"x": 2}\njunk\n[\n{"x": 3},\n{"x"\n: 4}\n]\n}\n{"x": 5}\n{"c": ['
    found = list(documents(text.splitlines(keepends=True)))
    assert [one.value for one in found if isinstance(one, Document)] == [{"x": n} for n in (1, 2, 3, 4, 5)]
    assert [one.row for one in found if isinstance(one, Skipped)] == [1, 3, 5, 11, 13]


class _OnlyX(msgspec.Struct):
    x: Any = None


def test_a_line_is_read_as_the_type_that_is_asked_for_where_it_can_be() -> None:
    """Whole lines are of the type, less what it does not name; other documents, and what is none, are as ever."""
    text = '{"x": 1, "y": 1e999}\n["no object"]\n[{"x": 2}]\n{"x"\n: 3}\n{"x": 4} \n{"x": "\\ud83d"}\n{"x": 5}'
    found = list(documents(text.splitlines(keepends=True), row_type=_OnlyX))
    values = [one.value for one in found if isinstance(one, Document)]
    assert values == [_OnlyX(1), "no object", {"x": 2}, {"x": 3}, {"x": 4}, {"x": 5}]
    assert [one.row for one in found if isinstance(one, Skipped)] == [7]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795338903, AT),
        (1795338903.0, AT),
        ("1795338903", AT),
        (1795338903000, AT),
        (1795338903000000, AT),
        (1795338903000000000, AT),
        ("1795338903000000000", AT),
        ("2026-11-22T09:15:03Z", AT),
        ("2026-11-22T10:15:03.000000+01:00", AT),
        ("2026-11-22 09:15:03", AT),
        (-1, None),
        (True, None),
        (float("nan"), None),
        (10**400, None),
        ("soon", None),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_times_are_read_in_every_unit(value: object, expected: datetime | None) -> None:
    """Seconds, milli-, micro- and nanoseconds, numbers as text, ISO texts; a text without an offset is UTC."""
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.00022500000000000002, "0.000225"),
        (0, "0"),
        ("0.12", "0.12"),
        (1e-13, "0"),
        (999_999.5, "999999.5"),
        (1_000_000, None),
        (-0.1, None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ("much", None),
    ],
)
def test_amounts_are_written_as_the_contract_writes_them(value: object, expected: str | None) -> None:
    """To the pico-USD, without an exponent; what the contract would refuse is left out."""
    assert usd_text(value) == expected


@pytest.mark.parametrize("secret", ["sk-abc", "sk_live_1", "Bearer x", "AIzaSy"])
def test_a_secret_is_never_a_credential(secret: str) -> None:
    """An identifier that looks like the key itself is not taken."""
    assert key_id(secret) is None
    assert key_id("88dc28d0") == "88dc28d0"
