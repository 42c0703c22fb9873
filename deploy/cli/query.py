"""`burnline sql`: questions to ClickHouse, read only."""

import csv
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from deploy.cli.output import StateDir, examples

_MAX_QUERY_BYTES = 1_000_000
_BARE = {
    re.compile(r"\busage_daily\b(?!\s*\()", re.IGNORECASE): (
        "usage_daily counts days of a time zone: write usage_daily(tz = 'Europe/Berlin'), or take usage_1d_utc"
    ),
    re.compile(r"\bspend_bridge\b(?!\s*\()", re.IGNORECASE): (
        "spend_bridge compares two periods: write spend_bridge(since = '2026-11-01', until = '2026-12-01',"
        " before_since = '2026-10-01', before_until = '2026-11-01')"
    ),
}
"""What to write instead of a view that is named without what it asks for."""
_OWN_FORMAT = re.compile(r"\bFORMAT\s+\w+\s*;?\s*\Z", re.IGNORECASE)


class Format(StrEnum):
    """How rows are printed."""

    PRETTY = "Pretty"
    TSV = "TSV"
    JSON = "JSONEachRow"
    CSV = "CSV"


_SERVER_FORMAT = {
    Format.PRETTY: "PrettyCompactMonoBlock",
    Format.TSV: "TSVWithNames",
    Format.JSON: "JSONEachRow",
    Format.CSV: "CSVWithNames",
}


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    app.command(
        "sql",
        epilog=examples(
            'burnline sql "SELECT team, sum(cost_usd) FROM usage_1h GROUP BY team"',
            'burnline sql "SELECT * FROM burn_now" --format JSONEachRow',
            "burnline sql - < question.sql",
        ),
    )(sql)


def sql(
    query: Annotated[str | None, typer.Argument(help="One SELECT; - or nothing reads it from standard input.")] = None,
    output: Annotated[Format | None, typer.Option("--format", help="Pretty on a terminal, else TSV.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Ask ClickHouse, read only. The views are listed by: burnline sql "SHOW TABLES"."""
    from deploy.stack.find import connections
    from deploy.store_client import client, read_only

    text = _text(query)
    chosen = output or (Format.PRETTY if sys.stdout.isatty() else Format.TSV)
    settings = connections(state_dir, os.environ).clickhouse
    with _hinted(text), client(settings) as found:
        asked = found.raw_stream(
            text.strip().rstrip(";"), fmt=_SERVER_FORMAT[chosen], settings={**read_only(found), **_exact(chosen)}
        )
        with asked as stream:
            if chosen is Format.CSV:
                _write_csv(stream.read())
                return
            while chunk := stream.read(1 << 16):
                sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@contextmanager
def _hinted(text: str) -> Iterator[None]:
    """What ClickHouse says of a view that lacks its argument helps nobody: the question is asked as it must be."""
    from deploy.store_client import QueryError

    try:
        yield
    except QueryError as error:
        hint = next((hint for bare, hint in _BARE.items() if bare.search(text)), None)
        if hint is None:
            raise
        raise QueryError(f"{hint} ({error})") from error


def _exact(chosen: Format) -> dict[str, str]:
    """Settings so that nothing is cut or rounded in what is printed; none that a read-only user might not set."""
    return {"output_format_pretty_row_numbers": "0"} if chosen is Format.PRETTY else {}


def _text(query: str | None) -> str:
    from schemas.errors import InputError

    if query is None and sys.stdin.isatty():
        raise InputError('write a query: burnline sql "SELECT ..."')
    text = sys.stdin.read(_MAX_QUERY_BYTES + 1) if query in {None, "-"} else str(query)
    if not text.strip():
        raise InputError("the query is empty")
    if _OWN_FORMAT.search(text):
        raise InputError(f"leave FORMAT out of the query, and write --format {'|'.join(Format)}")
    return text


def _write_csv(content: bytes) -> None:
    """The server's CSV, made safe for spreadsheets."""
    from deploy.csv_safe import to_csv

    sys.stdout.write(to_csv(csv.reader(io.StringIO(content.decode()))))
