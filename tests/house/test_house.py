"""The house is in order: targets have help, files are small or say why, nothing names one machine."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_LINES = 250


def tracked(suffix: str) -> list[Path]:
    """The files of the repository with this suffix."""
    listing = subprocess.run(["git", "ls-files", f"*{suffix}"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listing.stdout.split() if (ROOT / name).exists()]


def test_every_make_target_has_help() -> None:
    """`make help` lists every target that a person may call."""
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, flags=re.MULTILINE))
    helped = set(re.findall(r"^([a-z][a-z-]*):.*## \S", text, flags=re.MULTILINE))
    assert targets == helped


def test_long_files_say_why() -> None:
    """A Python file past 250 lines says in its docstring why it is one thought ("long because ...")."""
    silent = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in tracked(".py")
        if (count := len(path.read_text().splitlines())) > MAX_LINES
        and "long because" not in (ast.get_docstring(ast.parse(path.read_text())) or "").lower()
    ]
    assert silent == []


def test_no_file_names_one_machine() -> None:
    """No path of one machine and no registry host stands in the tree."""
    pattern = re.compile(r"/(work|root|home)/[a-z]|files\.pythonhosted\.org", flags=re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for suffix in (".py", ".md", ".toml", ".sql", ".yaml", ".json", "Makefile")
        for path in tracked(suffix)
        if path != Path(__file__) and (match := pattern.search(path.read_text(errors="replace")))
    ]
    assert found == []
