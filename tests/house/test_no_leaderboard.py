"""Usage is diagnostic, not a score: nothing ranks people or teams by raw tokens (requirement R13)."""

import re
from pathlib import Path

from deploy.dashboards import DASHBOARDS
from deploy.dashboards.panels import Panel
from sinks.value_questions import BY, WASTE_BY

ROOT = Path(__file__).parents[2]
_BY_TOKENS = re.compile(r"ORDER BY\s+(?:\w+\()?[\w.]*tokens", re.IGNORECASE)
_PEOPLE = {"user", "end_user", "credential", "reviewer"}


def ranks_by_tokens(text: str) -> bool:
    """Whether anything in the text is put in order by a number of tokens first."""
    return _BY_TOKENS.search(text) is not None


def test_nothing_is_put_in_order_by_tokens() -> None:
    """No view, question, page of examples, or panel: who sorts by cost or by outcomes ranks what it was worth."""
    files = [*(ROOT / "sinks").rglob("*.sql"), *(ROOT / "sinks").rglob("*.py"), *(ROOT / "deploy").rglob("*.py")]
    files += [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    assert [str(path.relative_to(ROOT)) for path in files if ranks_by_tokens(path.read_text())] == []
    panels: list[Panel] = [panel for dashboard in DASHBOARDS for panel in dashboard.panels]
    assert [panel for panel in panels if ranks_by_tokens(str(panel))] == []
    assert ranks_by_tokens("SELECT user FROM t ORDER BY sum(input_tokens) DESC")
    assert not ranks_by_tokens("SELECT sum(tokens) FROM t ORDER BY cost_usd")


def test_people_are_not_told_apart_by_value_or_waste() -> None:
    """Unit costs and waste are by teams, use cases and models; a view of who is best has no name here."""
    assert not {*BY, *WASTE_BY} & _PEOPLE
    sql = "\n".join(path.read_text() for path in (ROOT / "sinks" / "migrations").glob("*.sql"))
    names = re.findall(r"CREATE OR REPLACE VIEW (\w+)", sql)
    assert [name for name in names if re.search("leader|rank|top|score(?!card)", name)] == []
