"""Every folder beside this file that holds an `events.csv` is a story; README.md says how to write one."""

from pathlib import Path

import pytest

from tests.scenarios.story import HERE, stories
from tests.scenarios.told import EXPECTED, told


@pytest.mark.parametrize("name", stories())
def test_story_leads_to_its_alerts(name: str) -> None:
    """Every alert of the story is expected, to the last character; `tests/scenarios/told.py` writes what is said."""
    assert (HERE / name / EXPECTED).read_text() == told(name)


def test_stories_were_found() -> None:
    """The runner looks where the stories are, and every one of them says what it is about."""
    assert "threshold_ladder" in stories()
    assert [name for name in stories() if not _first_line(HERE / name / "events.csv").startswith("# ")] == []


def _first_line(path: Path) -> str:
    return path.read_text().splitlines()[0]
