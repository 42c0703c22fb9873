"""`burnline report --local FORMAT PATH`: log files are read, priced and summed here; nothing is sent."""

import gc
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deploy.cli.output import put_json, say

if TYPE_CHECKING:
    from deploy.local_lines import Asked


def local_lines(format_name: str, paths: Sequence[str], asked: "Asked", *, limit: int) -> list[dict[str, Any]]:
    """The lines of the report; what was read and skipped is said on standard error.

    Raises: InputError: the format, a path, the period or a dimension cannot be used.
    """
    from deploy.local_report import local_report
    from producers.local import local_rows
    from streams.rating.price_rules import Prices
    from streams.rating.prices import PriceBook

    gc.disable()  # what is read holds no cycles, and this process ends soon
    rows = local_rows(format_name, [str(path) for path in paths])
    found = local_report(rows, asked, Prices(PriceBook()), now=datetime.now(UTC))
    skipped = [f"{count:,} {reason}" for reason, count in sorted(found.skipped.items())]
    say(f"{found.calls:,} requests" + (f"; skipped: {', '.join(skipped)}" if skipped else ""))
    if not found.calls and not skipped and asked.since is None and asked.until is None:
        say(f"nothing in {', '.join(map(str, paths))} tells of a call in the format {format_name}")
    return found.lines[:limit]


def show_local(local: tuple[str, str], asked: "Asked", *, limit: int, as_json: bool, as_csv: bool) -> None:
    """The report of the files is printed as one of a stack would be."""
    from deploy.cli.report_lines import csv_lines, show_lines, without_false_zeros
    from deploy.csv_safe import to_csv
    from deploy.local_lines import columns_of

    format_name, path = local
    lines = [without_false_zeros(line) for line in local_lines(format_name, [path], asked, limit=limit)]
    if as_csv:
        sys.stdout.write(to_csv(csv_lines(columns_of(asked), lines)))
    elif as_json:
        put_json({"rows": lines, "budgets": []})
    else:
        show_lines(lines)
