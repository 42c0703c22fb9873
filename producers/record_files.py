"""Records of our own contracts as a table (CSV with a header) or as JSON: objects, one per line or in an array. Pure.

Columns are the fields of the contract beside `id`, `source` and `time`; an empty cell says nothing. A column that is
none of them is refused, so that no misspelt one is lost; `x_...` is left out.
A record without an id is told from others by what it says and the how-maniest of its like it is (`content`), whatever
row it stands in: rows may be moved and added. A correction needs an id that the first one had, and a higher revision.
"""

import csv
import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from producers.dialect import Draft, Lines, Row, Skipped
from producers.dialects.documents import documents
from schemas.errors import InputError, Reason

ENVELOPE = ("id", "source", "time")
_DIGITS = 20
"""Longer numbers are no revision, and Python refuses to read one of thousands of digits."""
Said = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the records of a format are.

    `noun`: one of them, with its article. `fields` are those of the contract, `required` the columns that a table must
    have; `typed` reads a cell; `default_time` is the time of a record that says none, or why there is none.
    """

    format: str
    noun: str
    event_type: str
    fields: tuple[str, ...]
    required: tuple[str, ...]
    typed: Callable[[str, str], object]
    default_time: Callable[[Said], datetime | str | None]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table may have."""
        return (*ENVELOPE, *self.fields)


def records(kind: Kind, lines: Lines) -> Iterator[Row]:
    """One row per line of a table that is not blank, or per JSON document.

    Raises: InputError: the header has a column that is none of ours, or lacks one that is required.
    """
    waiting = iter(lines)
    first = list(_up_to_content(waiting))
    is_json = bool(first) and first[-1].strip().removeprefix("\ufeff")[:1] in {"{", "["}
    rows = _objects(kind, chain(first, waiting)) if is_json else _table(kind, chain(first, waiting))
    seen: Counter[str] = Counter()
    for row in rows:
        yield row if isinstance(row, Skipped) else _draft(kind, *row, seen)


def _up_to_content(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line.strip().removeprefix("\ufeff"):
            return


def _table(kind: Kind, lines: Lines) -> Iterator[tuple[int, dict[str, Any]] | Skipped]:
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        row = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            through = f", through line {reader.line_num}" if reader.line_num > row else ""
            yield Skipped(row, "broken_row", f"the row{through} cannot be read as CSV: {error}")
            continue
        if not any(cell.strip("\ufeff \t") for cell in cells):
            continue
        if header is None:
            header = _header(kind, cells)
        elif len(cells) != len(header):
            yield Skipped(row, "broken_row", f"the row has {len(cells)} of {len(header)} columns")
        else:
            said = zip(header, (cell.strip() for cell in cells), strict=True)
            yield row, {name: _typed(kind, name, cell) for name, cell in said if cell and not name.startswith("x_")}


def _typed(kind: Kind, name: str, cell: str) -> object:
    if name == "revision":
        return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= _DIGITS else cell
    return kind.typed(name, cell) if name in kind.fields else cell


def _header(kind: Kind, cells: list[str]) -> list[str]:
    names = [cell.strip("\ufeff \t") for cell in cells]
    for name in names:
        if name not in kind.columns and not name.startswith("x_"):
            near = difflib.get_close_matches(name, kind.columns, n=1, cutoff=0.6)
            meant = f"did you mean {near[0]}? " if near else ""
            raise InputError(
                f"column {name[:60]!r} is not known; {meant}known are {', '.join(kind.columns)};"
                " to leave a column out, begin its name with x_"
            )
        if names.count(name) > 1:
            raise InputError(f"column {name!r} stands there twice")
    missing = [name for name in kind.required if name not in names]
    if missing:
        raise InputError(
            f"format {kind.format} needs the columns {', '.join(kind.required)}; missing: {', '.join(missing)}"
        )
    return names


def _objects(kind: Kind, lines: Lines) -> Iterator[tuple[int, dict[str, Any]] | Skipped]:
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield found
        elif not isinstance(found.value, dict):
            yield Skipped(found.row, Reason.NOT_AN_EVENT, "the document is no JSON object")
        else:
            yield _object(kind, found.row, found.value)


def _object(kind: Kind, row: int, value: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | Skipped:
    if "specversion" not in value:
        return row, dict(value)
    if value["specversion"] != "1.0" or value.get("type") != kind.event_type or not isinstance(value.get("data"), dict):
        return Skipped(row, Reason.NOT_AN_EVENT, f"not a CloudEvent 1.0 of type {kind.event_type} with data")
    return row, {**value["data"], **{name: value[name] for name in ENVELOPE if name in value}}


def _draft(kind: Kind, row: int, said: dict[str, Any], seen: Counter[str]) -> Row:
    content = json.dumps(said, sort_keys=True, ensure_ascii=False)
    data = {name: value for name, value in said.items() if name not in ENVELOPE and not name.startswith("x_")}
    unknown = sorted(data.keys() - set(kind.columns))
    if unknown:
        return Skipped(row, "unknown_field", f"{unknown[0][:60]!r} is no field of {kind.noun}; x_... is left out")
    for name in ("id", "source"):
        if not isinstance(said.get(name), str | None):
            return Skipped(row, Reason.WRONG_TYPE, f"{name} must be a string")
    at = _time(said["time"]) if "time" in said else kind.default_time(said)
    if "time" in said and at is None:
        return Skipped(row, Reason.WRONG_TYPE, f"time is {said['time']!r:.60}, not RFC 3339 with an offset")
    if isinstance(at, str):
        return Skipped(row, Reason.WRONG_TYPE, at)
    seen[content] += 1
    return Draft(row, f"{seen[content]}\n{content}", at, data, said.get("source"), said.get("id") or None)


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
