"""The audit report as text: what is empty is said, and names stay names."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from deploy.auditing import Month, cell, heading, month_of, part, policies_parts
from deploy.policy_log import Logged
from schemas.errors import InputError
from schemas.policies import Acknowledgement, Horizon, PolicyChange

NOW = datetime(2026, 11, 22, tzinfo=UTC)
OCTOBER = Month(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))


def test_months_are_whole_months_that_have_begun() -> None:
    """December ends with the year; what is no month, or lies ahead, is refused in a sentence."""
    assert month_of("2026-10", now=NOW) == OCTOBER
    assert month_of("2025-12", now=NOW).until == datetime(2026, 1, 1, tzinfo=UTC)
    for text, said in (("2026-13", "like 2026-10"), ("10/2026", "like"), ("2026-12", "not begun"), ("1999-01", "like")):
        with pytest.raises(InputError, match=said):
            month_of(text, now=NOW)


def test_a_running_month_is_no_final_report() -> None:
    """A month that is over has no such line."""
    assert "not over" in heading(month_of("2026-11", now=NOW), org="acme", now=NOW)
    assert "not over" not in heading(OCTOBER, org=None, now=NOW)


def test_nothing_is_said_to_be_nothing() -> None:
    """An empty section keeps its title; zero, no and unknown are three things."""
    assert part("Waste", "About it.", []) == "## Waste\n\nAbout it.\n\nNone.\n"
    assert part("A", "B.", [{"cost_usd": Decimal("1.50"), "n": 0, "met": False, "owner": None}]).splitlines()[4:] == [
        "| cost usd | n | met | owner |",
        "|---|---|---|---|",
        "| 1.5 | 0 | no | - |",
    ]


@pytest.mark.parametrize(
    "name", ["a | b", "a\n## b", "[x](http://evil)", "<script>", "`x`", "\x1b[2J", "**b**", "a\u2028# b", "=1+1"]
)
def test_names_cannot_change_the_page(name: str) -> None:
    """Whatever a name holds, its row stays one row of as many cells, without marks of its own."""
    text = part("T", "S.", [{"name": name, "n": 1}]).splitlines()
    assert len(text) == 7
    assert len([mark for at, mark in enumerate(text[6]) if mark == "|" and text[6][at - 1] != "\\"]) == 3
    shown = cell(name)
    assert all(shown[at - 1] == "\\" for at, mark in enumerate(shown) if mark in "|`*[]<>#=")
    assert shown.isprintable()


def test_changes_and_acknowledgements_are_those_of_the_month_and_organisation() -> None:
    """Whoever changed a policy or took an alert on stands there; nobody of another month or organisation."""
    alert = "0" * 32

    def logged(offset: int, day: int, org: str) -> Logged:
        sets = (Horizon(org=org), Acknowledgement(id=alert, org=org, by=f"dana-{org}"))
        change = PolicyChange(change_id="c", actor="eve", at="", files=("a.toml",), sets=sets)
        return Logged(
            offset, datetime(2026, 10, 1, tzinfo=UTC).replace(month=10 + day // 32, day=day % 32 or 1), change
        )

    log = [logged(0, 5, "acme"), logged(1, 6, "other"), logged(2, 33, "acme")]
    changed, taken = policies_parts(log, OCTOBER, org="acme")
    assert [line.split(" | ")[0] for line in changed.splitlines()[6:]] == ["| 0"]
    assert "dana-acme" in taken
    assert "dana-other" not in taken
    assert len(policies_parts(log, OCTOBER, org=None)[1].splitlines()) == 8
    assert all("Not known" in text for text in policies_parts(None, OCTOBER, org="acme"))
