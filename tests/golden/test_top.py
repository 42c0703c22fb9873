"""`burnline top` to the last character: what a person sees at two widths, and when there is nothing to see."""

from datetime import timedelta
from pathlib import Path

import pytest

from deploy.top.lines import lines
from deploy.top.picture import Picture
from tests.top_world import NOW, burner, hostile, picture, quiet, section

FOLDER = Path(__file__).parent / "top"
PEOPLE = picture(
    sections=(section("user", [burner("ana.diaz", "3.2", 40_000), burner("bo.chen", "0.4", 4_000)]),),
    budgets=(),
    alerts=(),
    open_alerts=0,
    team="code",
)
PICTURES: dict[str, Picture] = {
    "overview": picture(),
    "people_of_a_team": PEOPLE,
    "hostile_names": hostile(),
    "nobody_of_a_team": quiet(totals=(burner("acme", "1", 1),), as_of=NOW, sections=(section("user", []),), team="qa"),
    "nothing_in_the_last_hour": quiet(),
    "nothing_ever": quiet(as_of=None, last_used=None),
    "rates_are_late": picture(as_of=NOW - timedelta(hours=2)),
    "usage_after_the_last_rates": quiet(last_used=NOW - timedelta(minutes=4)),
    "usage_and_never_a_rate": quiet(as_of=None),
}


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_reads_as_it_did(name: str, width: int) -> None:
    """Each has a file; the text is the same on a screen and in a pipe."""
    text = "".join(f"{line.text}\n" for line in lines(PICTURES[name], now=NOW, width=width))
    assert (FOLDER / f"{name}_{width}.txt").read_text() == text


def test_a_small_screen_loses_the_last_rows_of_the_longest_table() -> None:
    """What is missing is counted; the first row of each table stays."""
    text = "".join(f"{line.text}\n" for line in lines(picture(), now=NOW, width=80, height=24))
    assert (FOLDER / "overview_80x24.txt").read_text() == text
