"""Burnline's own JSON lines: CloudEvents in structured mode, or bare `data` with `time`, `id` and `source`. Pure.

Fractions of a second beyond the sixth digit are cut off, as the contract does.
A line without an id gets one from its content and row; one without a time is skipped: nobody else knows it.
A file that begins with `[`, or with `{` alone in its line, is an array, or documents over many lines.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any

import msgspec

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.documents import documents
from schemas.errors import Reason
from schemas.usage import USAGE_TYPE

_AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
_FINER_THAN_US = re.compile(r"(\.[0-9]{6})[0-9]+")
_ENVELOPE = {"source", "id", "time"}


def read(lines: Lines) -> Iterator[Row]:
    """One row per line that is not blank; of an array or documents over many lines, one per document."""
    waiting = iter(lines)
    first = list(_up_to_content(waiting))
    head = first[-1].strip().removeprefix("\ufeff") if first else ""
    if head.startswith("[") or head == "{":
        for found in documents(chain(first, waiting)):
            yield found if isinstance(found, Skipped) else _of(found.row, found.content, found.value)
        return
    for row, line in enumerate(chain(first, waiting), start=1):
        content = line.rstrip("\r\n").removeprefix("\ufeff")
        if content.strip():
            yield _event(row, content)


def _up_to_content(lines: Iterator[str]) -> Iterator[str]:
    """The lines up to the first that is not blank, that one included."""
    for line in lines:
        yield line
        if line.strip().removeprefix("\ufeff"):
            return


def _event(row: int, content: str) -> Row:
    try:
        value = msgspec.json.decode(content.encode("utf-8"))
    except UnicodeEncodeError:
        return Skipped(row, Reason.INVALID_UTF8, "the line is not UTF-8")
    except (msgspec.DecodeError, RecursionError) as error:
        return Skipped(row, Reason.INVALID_JSON, str(error))
    return _of(row, content, value)


def _of(row: int, content: str, value: object) -> Row:
    if not isinstance(value, dict):
        return Skipped(row, Reason.NOT_AN_EVENT, "the line is no JSON object")
    envelope = value
    if "specversion" in value:
        if value["specversion"] != "1.0" or value.get("type") != USAGE_TYPE:
            said = f"specversion {value['specversion']!r}, type {value.get('type')!r}"
            return Skipped(row, Reason.NOT_AN_EVENT, f"not a CloudEvent 1.0 of type {USAGE_TYPE}: {said}"[:200])
        data = value.get("data")
    else:
        data = {name: kept for name, kept in value.items() if name not in _ENVELOPE}
    if not isinstance(data, dict):
        return Skipped(row, Reason.MISSING_FIELD, "data is required, a JSON object")
    return _draft(row, content, envelope, data)


def _draft(row: int, content: str, envelope: dict[str, Any], data: dict[str, Any]) -> Row:
    for name in ("source", "id", "subject"):
        if not isinstance(envelope.get(name), str | None):
            return Skipped(row, Reason.WRONG_TYPE, f"{name} must be a string")
    if envelope.get("time") is None:
        return Skipped(row, Reason.MISSING_FIELD, "time is required")
    try:
        at = msgspec.convert(_FINER_THAN_US.sub(r"\1", envelope["time"]), _AwareTime).astimezone(UTC)
    except (TypeError, msgspec.ValidationError, OverflowError):
        return Skipped(row, Reason.WRONG_TYPE, f"time is {envelope['time']!r:.60}, not RFC 3339 with an offset")
    return Draft(row, content, at, data, envelope.get("source"), envelope.get("id"), envelope.get("subject"))


DIALECT = Dialect(
    name="burnline",
    about="JSON lines: CloudEvents burnline.usage.v1, or bare data objects with time, id, source",
    read=read,
)
