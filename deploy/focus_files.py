"""FOCUS rows as a file: CSV that no spreadsheet runs, JSON lines, or Parquet; whole or not there at all."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import pyarrow as pa
from pyarrow import parquet

from deploy.csv_safe import to_csv
from deploy.whole_files import whole_file
from schemas.errors import InputError
from sinks.focus import cell
from sinks.focus_columns import COLUMNS, NAMES

Format = Literal["csv", "parquet", "jsonl"]
_BATCH_ROWS = 10_000


def write_focus(rows: Iterable[Mapping[str, Any]], chosen: Format, target: Path | None) -> int:
    """The rows are in the file (or on standard output, where none is named); returns how many there are.

    Raises: InputError: the file cannot be written, or Parquet was to go to standard output.
    """
    writers = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}
    if target is None:
        if chosen == "parquet":
            raise InputError("--format parquet needs a file: -o FILE")
        count = writers[chosen](rows, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return count
    try:
        with whole_file(target) as file:
            return writers[chosen](rows, file)
    except OSError as error:
        raise InputError(f"{target}: {error.strerror or error}") from error


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    waiting = iter(rows)
    while some := list(islice(waiting, _BATCH_ROWS)):
        yield some


def _write_csv(rows: Iterable[Mapping[str, Any]], file: IO[bytes]) -> int:
    file.write(to_csv([NAMES]).encode())
    count = 0
    for some in _batches(rows):
        file.write(to_csv([cell(row[name]) for name in NAMES] for row in some).encode())
        count += len(some)
    return count


def _write_jsonl(rows: Iterable[Mapping[str, Any]], file: IO[bytes]) -> int:
    count = 0
    for row in rows:
        line = {column.name: _in_json(row[column.name], column.kind) for column in COLUMNS}
        file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def _in_json(value: object, kind: str) -> Any:  # noqa: ANN401  a JSON value
    return json.loads(str(value)) if kind == "json" and value is not None else cell(value)


def _write_parquet(rows: Iterable[Mapping[str, Any]], file: IO[bytes]) -> int:
    kinds = {"decimal": pa.decimal128(38, 12), "time": pa.timestamp("us", tz="UTC")}
    schema = pa.schema([pa.field(one.name, kinds.get(one.kind, pa.string()), nullable=one.empty) for one in COLUMNS])
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for some in _batches(rows):
            writer.write_table(pa.Table.from_pylist([dict(row) for row in some], schema=schema))
            count += len(some)
    return count
