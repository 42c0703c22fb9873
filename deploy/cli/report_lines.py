"""The lines of a report as a person or a script reads them, whether they are of a stack or of local files."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deploy.cli.output import json_value, put, put_table

_SHOWN = {
    "requests": "requests",
    "errors": "errors",
    "input_uncached_tokens": "uncached input",
    "input_cache_read_tokens": "cache read",
    "output_tokens": "output",
    "output_reasoning_tokens": "reasoning",
    "cost_usd": "cost USD",
    "priced_to_all_requests_ratio": "priced",
}
"""The columns that fit on a terminal; --json and --csv have all."""


def without_false_zeros(line: dict[str, Any]) -> dict[str, Any]:
    """The line, its cost unknown (None) where no request of it has a price: a sum over nothing known is not zero."""
    if not line["requests"] or line["unpriced_requests"] < line["requests"]:
        return line
    return line | dict.fromkeys(("cost_usd", "list_cost_usd"))


def csv_lines(head: Sequence[str], lines: Sequence[dict[str, Any]]) -> list[list[str | None]]:
    """The report as lines of cells, its head first: also where nothing was used, so that a script finds its columns."""
    cells = [[json_value(line[name]) if line[name] is not None else None for name in head] for line in lines]
    return [list(head), *cells]


def show_lines(lines: Sequence[dict[str, Any]]) -> None:
    """The lines as a table; the columns that fit on a terminal."""
    if not lines:
        put("nothing was used")
        return
    keys = [name for name in lines[0] if not _is_measure(name)]
    head = [*keys, *_SHOWN.values()]
    cells = [[_short(line[name]) for name in keys] + [_number(name, line[name]) for name in _SHOWN] for line in lines]
    put_table(head, cells, right=tuple(_SHOWN.values()))


def _is_measure(name: str) -> bool:
    return name.endswith(("_tokens", "_usd", "_ratio")) or name in {"requests", "errors", "unpriced_requests"}


def _short(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value) if value != "" else "-"


def _number(name: str, value: Any) -> str:  # noqa: ANN401  a cell of any numeric type
    if value is None:
        return "-"
    if name.endswith("_ratio"):
        return f"{value:.1%}"
    return f"{value:,.6f}" if name.endswith("_usd") else f"{value:,}"
