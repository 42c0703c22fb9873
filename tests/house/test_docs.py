"""The operators' page and the READMEs name only what is there: files, commands, options, targets, settings, words."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from burnline_client.fields import KNOWN
from deploy.cli.app import app
from deploy.settings_table import settings_table

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "producers" / "client"
OPERATING = ROOT / "docs" / "operating.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), CLIENT / "README.md"]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pages
def test_every_link_and_file_of_a_page_exists(page: Path) -> None:
    """Nobody is sent to a file that is not there; paths in backticks are from the root."""
    text = page.read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    assert [link for link in links if not (page.parent / link).exists()] == []
    files = re.findall(r"`((?:schemas|producers|streams|sinks|deploy|docs|tests)/[\w./-]+\.\w+)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


@pages
def test_every_command_and_option_of_a_page_exists(page: Path) -> None:
    """Each `./burnline COMMAND [SUBCOMMAND]` is one, and knows the options that stand behind it."""
    for words in re.findall(r"\./burnline ([a-z][^`\n#|&)]*)", page.read_text()):
        command = get_command(app)
        for word in words.split():
            found = getattr(command, "commands", {}).get(word)
            if found is None:
                break
            command = found
        complete = not hasattr(command, "commands") or getattr(command, "invoke_without_command", False)
        assert complete, f"./burnline {words}: no such command"
        known = {"--help", *(name for parameter in command.params for name in parameter.opts)}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= known, f"./burnline {words}: no such option"


@pages
def test_every_target_of_a_page_exists(page: Path) -> None:
    """Each `make TARGET` is one."""
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
    assert named <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@pages
def test_every_setting_of_a_page_exists(page: Path) -> None:
    """Each BURNLINE_* is a setting of the table in the README, or one that the client reads in its service."""
    named = set(re.findall(r"`(BURNLINE_[A-Z_]+)(?=[`=])", page.read_text()))
    client = set(re.findall(r"BURNLINE_[A-Z_]+", (CLIENT / "burnline_client" / "environment.py").read_text()))
    fields = {f"BURNLINE_{name.upper()}" for name in KNOWN}
    ours = set(re.findall(r"`(BURNLINE_[A-Z_]+)`", settings_table()))
    assert named - ours - client - fields == set()


def test_words_of_status_are_the_programs_own() -> None:
    """What the page says that `burnline status` says stands in the program."""
    section = OPERATING.read_text().partition("## What a fault looks like")[2].partition("\n## ")[0]
    told = [
        word for line in section.splitlines() if line.startswith("| `") for word in line.split("|")[1].split("`")[1::2]
    ]
    program = "".join(path.read_text() for path in (ROOT / "deploy" / "stack").glob("*.py"))
    assert len(told) > 8
    assert [words for words in told if words.lower() not in program.lower()] == []
