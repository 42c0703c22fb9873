"""The README says what is true: its settings table is generated, its commands and targets exist."""

import re
from pathlib import Path

from typer.main import get_command

from deploy.bench.last_results import LINES, TOLD_ELSEWHERE, table_of
from deploy.cli.app import app
from deploy.settings_table import settings_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_settings_table_is_the_generated_one() -> None:
    """A setting that is added or renamed is in the README; `python -m deploy.settings_table` prints the table."""
    assert settings_table() in README


def test_last_results_are_those_that_were_kept() -> None:
    """Who saves a benchmark's result writes it into the README too: `make bench-table`; each kind has its line."""
    assert table_of(ROOT / "bench") in README
    assert {file.stem for file in (ROOT / "bench").glob("*.json")} <= LINES.keys() | TOLD_ELSEWHERE


def test_every_burnline_command_in_the_readme_exists() -> None:
    """Nobody is sent to a command that is not there."""
    named = set(re.findall(r"`?\./burnline ([a-z]+)", README))
    commands = set(getattr(get_command(app), "commands", {}))
    assert named <= commands


def test_every_make_target_in_the_readme_exists() -> None:
    """Nobody is sent to a target that is not there."""
    named = set(re.findall(r"`make ([a-z-]+)", README))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert named <= targets
