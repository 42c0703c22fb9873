"""The table of docs/value.md is whole: each requirement of outcomes and waste has its test and its look-alike."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
WANTED = {9, *range(12, 25), 31, *range(33, 41), 42, 43, 49, 50, 52, 53, 54, 56, 57}
"""The requirements of usage that brought something, and of usage that brought nothing."""


@dataclass
class Said:
    """What is said under a name: texts, their words and names; and which names lead on."""

    texts: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add(self, told: ast.AST) -> None:
        """What stands in the code, too."""
        for node in ast.walk(told):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.texts |= {node.value, *re.findall(r"\w+", node.value)}
            elif isinstance(node, ast.Name):
                self.names.add(node.id)
            elif isinstance(node, ast.keyword) and node.arg:
                self.texts.add(node.arg)


Known = Mapping[str, Said]


def table(text: str) -> list[list[str]]:
    """The cells of each row of the table of requirements."""
    rows = text.partition("## Requirements")[2].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| ")][1:]


def named(modules: Iterable[ast.Module]) -> Known:
    """What each name of the modules stands for: a function, or a value."""
    found: dict[str, Said] = defaultdict(Said)
    for node in (node for module in modules for node in module.body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [one.id for one in targets if isinstance(one, ast.Name)]
        for name in [node.name] if isinstance(node, ast.FunctionDef) else names:
            found[name].add(node)
    return found


def shown_by(tests: Iterable[str], known: Known) -> set[str]:
    """What tests say: what is in them, and in the functions that tell their stories."""
    texts: set[str] = set()
    names, to_read = set[str](), set(tests)
    while to_read:
        names |= to_read
        texts = texts.union(*(known[name].texts for name in to_read))
        to_read = set[str]().union(*(known[name].names for name in to_read))
        texts, to_read = texts | to_read, (to_read - names) & known.keys()
    return texts


def unproven(rows: list[list[str]], known: Known) -> list[str]:
    """What the rows leave out, or prove by a test or a look-alike that is not there.

    "the same: ..." names in backticks what must not be found; each of these stands in the tests of the row.
    """
    found = [
        f"R{number}" for number in sorted(WANTED - {int(n) for row in rows for n in re.findall(r"R(\d+)", row[0])})
    ]
    for what, shown, like in rows:
        tests, others = re.findall(r"`(test_\w+)`", shown + like), set(re.findall(r"`(?!test_)([^`]+)`", like))
        is_known = bool(re.search(r"`test_\w+`", shown)) and set(tests) <= known.keys()
        if not is_known or not (others or like.startswith("`test_")):
            found.append(what)
            continue
        said = shown_by(tests, known)
        found += [f"{what}: {name}" for name in sorted(others - said)]
    return found


def test_each_requirement_has_a_test_and_a_look_alike() -> None:
    """Every requirement has a row, and every row names what exists; the check itself sees what is missing."""
    rows = table((ROOT / "docs" / "value.md").read_text())
    tests = [f"def {name}(" for name in re.findall(r"`(test_\w+)`", str(rows))]
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    stories = [path.read_text() for path in (ROOT / "tests").glob("*.py")]
    known = named(
        [ast.parse(text) for text in [*stories, *(text for text in texts if any(one in text for one in tests))]]
    )
    assert unproven(rows, known) == []
    assert unproven(rows[1:], known) == ["R9"]
    without = {name: node for name, node in known.items() if name != "test_tasks_nest_and_end"}
    assert unproven(rows, without) == [rows[-3][0]]
    first, *others = rows
    for like in ("", "the same: five people"):
        assert unproven([[*first[:2], like], *others], known) == [first[0]]
    assert unproven([[*first[:2], "the same: `six people`"], *others], known) == [f"{first[0]}: six people"]
