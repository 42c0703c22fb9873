"""Usage is diagnostic, not a score: nothing ranks people or teams by raw tokens (requirement R13)."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from deploy.dashboards import DASHBOARDS
from deploy.dashboards.panels import Panel
from sinks.value_questions import BY, WASTE_BY

ROOT = Path(__file__).parents[2]
_STATEMENTS = re.compile(r';|"""|```|\n\s*\n')
_CLAUSE_ENDS = re.compile(r"LIMIT|ROWS|RANGE|SETTINGS|UNION|FORMAT|WITH FILL|FROM|GROUP BY|[;`]", re.IGNORECASE)
_OTHERWISE = re.compile(
    r"\btop_?k\w*\b[^;\n]*tokens|tokens\w*\W{0,3}\s+DESC|key=[^\n]*tokens|sort(?:ed)?_by\W+\w*tokens", re.IGNORECASE
)
"""The engine's and Prometheus' topk, an order that is put together elsewhere, Python's sorts, panels' own."""
_OF_TOKENS, _PER_THING = (
    re.compile("tokens", re.IGNORECASE),
    re.compile("usd|cost|success|outcome|ratio", re.IGNORECASE),
)
_PEOPLE = {"user", "end_user", "credential", "reviewer"}


def parts(text: str) -> list[str]:
    """What stands between the commas of a list, up to the bracket that closes around it, or what ends its clause."""
    found, depth = [""], 0
    for at, char in enumerate(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        if depth < 0 or (depth == 0 and _CLAUSE_ENDS.match(text, at) and not (at and text[at - 1].isalnum())):
            break
        found = [*found, ""] if char == "," and depth == 0 else [*found[:-1], found[-1] + char]
    return found


def of_tokens(expression: str, names: Collection[str] = ()) -> bool:
    """Whether it is a number of tokens, by itself or by one of these names, and not of tokens per thing."""
    named = _OF_TOKENS.search(expression) or set(re.findall(r"\w+", expression)) & set(names)
    return bool(named) and not _PER_THING.search(expression)


def ranks_by_tokens(text: str) -> bool:
    """Whether anything in the text is put in order by a number of tokens: by its name, its place or another name."""
    if _OTHERWISE.search(text):
        return True
    for statement in _STATEMENTS.split(text):
        lists = [(found.start(), parts(statement[found.end() :])) for found in re.finditer(r"\bSELECT\s", statement)]
        chosen = [(one, re.search(r"\bAS\s+(\w+)\W*$", one)) for _, columns in lists for one in columns]
        names = {alias[1] for one, alias in chosen if alias and of_tokens(one)}
        for found in re.finditer(r"\bORDER\s+BY\s", statement, re.IGNORECASE):
            before = next((columns for at, columns in reversed(lists) if at < found.start()), [])
            by = [one.strip() for one in parts(statement[found.end() :])]
            places = [int(number[0]) for one in by if (number := re.match(r"\d+", one))]
            if any(of_tokens(one, names) for one in by):
                return True
            if any(of_tokens(before[place - 1]) for place in places if 0 < place <= len(before)):
                return True
    return False


def test_nothing_is_put_in_order_by_tokens() -> None:
    """No view, question, page of examples, or panel: who sorts by cost or by outcomes ranks what it was worth."""
    files = [*(ROOT / "sinks").rglob("*.sql"), *(ROOT / "sinks").rglob("*.py"), *(ROOT / "deploy").rglob("*.py")]
    files += [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    assert [str(path.relative_to(ROOT)) for path in files if ranks_by_tokens(path.read_text())] == []
    panels: list[Panel] = [panel for dashboard in DASHBOARDS for panel in dashboard.panels]
    assert [panel for panel in panels if ranks_by_tokens(str(panel))] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT user FROM t ORDER BY sum(input_tokens) DESC",
        "SELECT user, sum(input_tokens + output_tokens) AS used FROM t GROUP BY user ORDER BY used DESC",
        "SELECT user, sum(input_tokens) AS used FROM t GROUP BY user ORDER BY org, used",
        "SELECT user, rank() OVER (PARTITION BY team ORDER BY sum(t.tokens) DESC) AS place FROM t",
        "SELECT user, row_number() OVER w FROM (SELECT user, sum(tokens) AS n FROM t) WINDOW w AS (ORDER BY n)",
        "SELECT user, sum(tokens) FROM t GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
        "SELECT topK(5)(user, input_tokens) FROM t",
        "topk(5, burnline_tokens_total)",
        'ORDERS = {"tokens": "tokens_per_min DESC"}',
        "sorted(rows, key=lambda row: row.tokens)",
    ],
)
def test_a_ranking_by_tokens_is_seen(sql: str) -> None:
    """By the column, a name of its own, a place in the list, a window, or outside of SQL."""
    assert ranks_by_tokens(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(tokens) FROM t ORDER BY cost_usd",
        "SELECT user, sum(tokens) AS used, sum(cost_usd) AS usd FROM t GROUP BY user ORDER BY usd DESC, user",
        "SELECT team, sum(tokens) FROM t GROUP BY 1 ORDER BY 1",
        "SELECT model, sum(cost_usd) / sum(tokens) AS price FROM t GROUP BY model ORDER BY price",
        "SELECT sum(tokens) OVER (PARTITION BY user ORDER BY ts) AS so_far FROM t ORDER BY ts",
    ],
)
def test_what_only_names_tokens_is_no_ranking(sql: str) -> None:
    """They may be shown, summed up to a moment, and be what something cost per."""
    assert not ranks_by_tokens(sql)


def test_people_are_not_told_apart_by_value_or_waste() -> None:
    """Unit costs and waste are by teams, use cases and models; a view of who is best has no name here."""
    assert not {*BY, *WASTE_BY} & _PEOPLE
    sql = "\n".join(path.read_text() for path in (ROOT / "sinks" / "migrations").glob("*.sql"))
    names = re.findall(r"CREATE OR REPLACE VIEW (\w+)", sql)
    assert [name for name in names if re.search("leader|rank|top|score(?!card)", name)] == []
