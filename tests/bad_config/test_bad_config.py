"""Every mistake in a policy file has a sentence: NAME.toml or .csv is the mistake, NAME.expected.txt is what is said.

A new mistake is two new files. `python tests/bad_config/test_bad_config.py` prints what is said of each file.
"""

import sys
from pathlib import Path

import pytest

from deploy.policy_files import PolicyFile, read_policies
from schemas.errors import PolicyError

HERE = Path(__file__).parent
MISTAKES = sorted(path for path in HERE.iterdir() if path.suffix in {".toml", ".csv"})


def said_of(path: Path) -> str:
    """The message with which a file is refused; empty where it is taken."""
    try:
        read_policies([PolicyFile(path.name, path.read_bytes())])
    except PolicyError as error:
        return f"{error}\n"
    return ""


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_mistake_is_refused_with_its_sentence(path: Path) -> None:
    """A file with a mistake is refused; the message names file, table, key and value, and says what is allowed."""
    assert said_of(path) == path.with_suffix(".expected.txt").read_text()


def test_every_sentence_has_its_mistake() -> None:
    """No expected message stands without its file."""
    assert {path.name.removesuffix(".expected.txt") for path in HERE.glob("*.expected.txt")} == {
        path.stem for path in MISTAKES
    }


if __name__ == "__main__":
    for mistake in MISTAKES:
        sys.stdout.write(f"{mistake.stem}\n    {said_of(mistake)}")
