"""The table of docs/value.md is whole: each requirement of outcomes and waste has its test and its look-alike."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WANTED = {9, *range(12, 25), 31, *range(33, 41), 42, 43, 49, 50, 52, 53, 54, 56, 57}
"""The requirements of usage that brought something, and of usage that brought nothing."""


def table(text: str) -> list[list[str]]:
    """The cells of each row of the table of requirements."""
    rows = text.partition("## Requirements")[2].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| ")][1:]


def unproven(rows: list[list[str]], known: set[str]) -> list[str]:
    """What the rows leave out, or prove by a test that is not there."""
    found = [
        f"R{number}" for number in sorted(WANTED - {int(n) for row in rows for n in re.findall(r"R(\d+)", row[0])})
    ]
    for what, shown, like in rows:
        named = re.findall(r"`(test_\w+)`", shown + like)
        if not re.search(r"`test_\w+`", shown) or not (
            like.startswith(("the same: ", "`test_")) and set(named) <= known
        ):
            found.append(what)
    return found


def test_each_requirement_has_a_test_and_a_look_alike() -> None:
    """Every requirement has a row, and every row names tests that exist; the check itself sees what is missing."""
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    known = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, flags=re.MULTILINE)}
    rows = table((ROOT / "docs" / "value.md").read_text())
    assert unproven(rows, known) == []
    assert unproven(rows[1:], known) == ["R9"]
    assert unproven(rows, known - {"test_tasks_nest_and_end"}) == [rows[-3][0]]
    assert unproven([[rows[0][0], rows[0][1], ""], *rows[1:]], known) == [rows[0][0]]
