"""How commands speak: results to standard output, what is being done to standard error."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from schemas.money import plain as money_text

StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Which stack; else BURNLINE_STATE_DIR, else the one that runs in .burnline/demo or .burnline here.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def examples(*lines: str) -> str:
    """An epilog of example command lines."""
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)])


def say(text: str) -> None:
    """A line about what is being done."""
    sys.stderr.write(f"{plain(text)}\n")
    sys.stderr.flush()


def put(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")


def put_json(value: object) -> None:
    """The result as JSON; indented for a person, one line for a pipe."""
    put(json.dumps(value, indent=2 if sys.stdout.isatty() else None, default=json_value, ensure_ascii=False))


def json_value(value: object) -> str:
    """Times and money as all our JSON writes them."""
    from schemas.signals import rfc3339

    if isinstance(value, datetime):
        return rfc3339(value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))
    return money_text(value) if isinstance(value, Decimal) else str(value)


def plain(text: str) -> str:
    """Text that cannot move the cursor or colour a terminal, whoever wrote it; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def put_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table, as wide as its content; columns named in `right` are numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in head:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(str(cell)) if cell is not None else "-") for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    console.print(table)


def age(seconds: float | None) -> str | None:
    """A length of time as a person says it."""
    if seconds is None:
        return None
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
