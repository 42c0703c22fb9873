"""Tables of a fixed width: no text, whoever wrote it, makes a line longer than it may be. Pure.

A cell is as wide as a terminal shows it: Chinese letters take two places, accents none. Control characters, line ends
and what turns the direction of writing are replaced; nothing is read as markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size

from deploy.cli.output import plain

_GAP = "  "
_SELECTORS = str.maketrans("", "", "\ufe0e\ufe0f")
"""They make a terminal show a letter wider or narrower than it is."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how the cells stand. The higher `rank`, the sooner it is left out; 0 never.

    `least` is the width below which others are left out instead; None: as wide as its content.
    """

    head: str
    rank: int = 0
    right: bool = True
    least: int | None = None


def label(text: str) -> str:
    """A name in one line that cannot move the cursor."""
    return plain(text.translate(_SELECTORS)).replace("\n", "\N{REPLACEMENT CHARACTER}")


def cut(text: str, width: int) -> str:
    """At most so wide; a dot of three at the end where something is missing."""
    if cell_len(text.rstrip(" ")) <= width:
        return text if cell_len(text) <= width else text.rstrip(" ")
    return set_cell_size(text, max(0, width - 1)).rstrip(" ") + "…" if width > 0 else ""


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int) -> tuple[str, list[str]]:
    """(the heading, a line for each row), none wider than `width`; columns keep their order."""
    kept = _fitting(columns, rows, width)
    widths = _widths(columns, rows, kept, width)
    lines = [_line(columns, row, widths, width) for row in ([column.head for column in columns], *rows)]
    return lines[0], lines[1:]


def aligned(tables: Sequence[tuple[Column, Sequence[str]]]) -> list[Column]:
    """The first columns of several tables, each at least as wide as the widest cell of any: so that they align."""
    widest = max((cell_len(text) for column, cells in tables for text in (column.head, *cells)), default=0)
    return [replace(column, head=column.head + " " * (widest - cell_len(column.head))) for column, _ in tables]


def _content(columns: Sequence[Column], rows: Sequence[Sequence[str]], at: int) -> int:
    return max(cell_len(text) for text in (columns[at].head, *(row[at] for row in rows)))


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Which columns are shown."""
    kept = list(range(len(columns)))
    while True:
        needed = sum(_needs(columns, rows, at) for at in kept) + len(_GAP) * (len(kept) - 1)
        dearest = max(kept, key=lambda at: (columns[at].rank, at))
        if needed <= width or columns[dearest].rank == 0:
            return kept
        kept.remove(dearest)


def _needs(columns: Sequence[Column], rows: Sequence[Sequence[str]], at: int) -> int:
    content, least = _content(columns, rows, at), columns[at].least
    return content if least is None else min(content, least)


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], kept: Sequence[int], width: int
) -> dict[int, int]:
    """Columns with a least width share what the others leave, the first one first."""
    widths = {at: _needs(columns, rows, at) for at in kept}
    left = width - sum(widths.values()) - len(_GAP) * (len(kept) - 1)
    for at in kept:
        if columns[at].least is not None and left > 0:
            more = min(left, _content(columns, rows, at) - widths[at])
            widths[at], left = widths[at] + more, left - more
    return widths


def _line(columns: Sequence[Column], row: Sequence[str], widths: dict[int, int], width: int) -> str:
    cells = [_padded(row[at], size, right=columns[at].right) for at, size in widths.items()]
    return cut(_GAP.join(cells).rstrip(" "), width)


def _padded(text: str, width: int, *, right: bool) -> str:
    text = cut(text, width)
    blank = " " * (width - cell_len(text))
    return blank + text if right else text + blank
