"""Azure's public traces of LLM inference: one CSV row per request. Pure.

TIMESTAMP has up to seven fractional digits (the seventh is cut off) and no zone, which means UTC. The trace names no
org, user or model: whoever replays it says them.
Source: https://github.com/Azure/AzurePublicDataset/blob/master/AzureLLMInferenceDataset2023.md
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from schemas.errors import InputError

TIMESTAMP, INPUT, OUTPUT = COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def read(lines: Lines) -> Iterator[Row]:
    """One row per request; input and output tokens are the trace's context and generated tokens.

    Raises: InputError: the header lacks a column.
    """
    places: dict[str, int] | None = None
    width = 0
    for row, line in enumerate(lines, start=1):
        content = line.rstrip("\r\n")
        if not content.strip():
            continue
        if places is None:
            header = _cells(content.removeprefix("\ufeff")) or []
            places, width = _places(header), len(header)
            continue
        cells = _cells(content)
        if cells is None or len(cells) != width:
            found = "cannot be read as CSV" if cells is None else f"has {len(cells)} of {width} columns"
            yield Skipped(row, "broken_row", f"the row {found}: {content[:80]!r}")
            continue
        yield _request(row, content, {name: cells[place].strip() for name, place in places.items()})


def _cells(content: str) -> list[str] | None:
    try:
        return next(csv.reader([content], strict=True), [])
    except csv.Error:
        return None


def _places(header: list[str]) -> dict[str, int]:
    names = [name.strip() for name in header]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(
            f"format azure-llm needs the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}. "
            f"The first line is {','.join(names)[:120]!r}"
        )
    return {name: names.index(name) for name in COLUMNS}


def _request(row: int, content: str, cells: dict[str, str]) -> Row:
    counts: dict[str, int] = {}
    for name in (INPUT, OUTPUT):
        text = cells[name]
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            return Skipped(row, "broken_row", f"{name} is {text[:40]!r}, not a count")
        counts[name] = int(text)
    text = cells[TIMESTAMP]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return Skipped(row, "broken_row", f"TIMESTAMP is {text[:40]!r}, not a time like 2023-11-16 18:17:03.9799600")
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return Skipped(row, "out_of_range", f"TIMESTAMP is {text[:40]!r}")
    return Draft(row, content, at, {"input_tokens": counts[INPUT], "output_tokens": counts[OUTPUT]})


DIALECT = Dialect(
    name="azure-llm",
    about="CSV of Azure's public LLM traces (TIMESTAMP, ContextTokens, GeneratedTokens)",
    read=read,
    needs=("org", "provider", "model"),
)
