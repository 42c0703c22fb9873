"""CSV that a spreadsheet shows and never runs: a cell that would be a formula gets an apostrophe. Numbers stay numbers.

Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def safe_cell(value: object) -> str:
    """The value as a CSV cell; empty for None."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_STARTS) and not _NUMBER.fullmatch(text) else text


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV with line ends of one character; also the first row is made safe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
    return out.getvalue()
