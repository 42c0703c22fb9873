"""Whatever stands in a picture, it stays within its screen."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from deploy.top import amounts
from deploy.top.cells import cut, label
from deploy.top.lines import lines
from deploy.top.picture import LATE_SEC, collapsed
from tests.top_world import HOSTILE, NOW, alert, budget_row, burner, picture, quiet, section

TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
AMOUNTS = st.decimals(-(10**13), 10**13, places=12)
WIDTHS = st.integers(1, 260)


@given(names=st.lists(TEXTS, min_size=1, max_size=4), amount=AMOUNTS, width=WIDTHS, height=st.integers(1, 60))
def test_no_line_is_wider_than_the_screen(names: list[str], amount: Decimal, width: int, height: int) -> None:
    """Nor are there more lines than it has; none moves the cursor."""
    found = [burner(name, str(amount), 5, org=name, unpriced_requests=3) for name in names]
    shown = picture(
        totals=tuple(found),
        sections=(section("team", found), section("run", found)),
        budgets=tuple(collapsed(budget_row(name, str(amount), "7", owner=name, org=name) for name in names)),
        alerts=tuple(alert("warning", name) for name in names),
    )
    for tall in (None, height):
        said = lines(shown, now=NOW, width=width, height=tall)
        assert [line.text for line in said if cell_len(line.text) > width or not line.text.isprintable()] == []
        assert tall is None or len(said) <= tall


@given(height=st.integers(22, 60))
def test_a_screen_of_22_lines_shows_a_row_of_each_table(height: int) -> None:
    """Teams, agents, runs, budgets and alerts: the first of each."""
    said = "\n".join(line.text for line in lines(picture(), now=NOW, width=80, height=height))
    assert [name for name in ("code", "test-fixer", "nightly-42", "marketing", "critical") if name not in said] == []


@given(text=TEXTS, width=WIDTHS)
def test_what_fits_is_not_cut(text: str, width: int) -> None:
    """What does not ends with a sign of it."""
    name = label(text)
    assert cut(name, width) == name if cell_len(name) <= width else cut(name, width).endswith("…")


@given(amount=AMOUNTS)
def test_an_amount_that_is_not_zero_never_reads_as_zero(amount: Decimal) -> None:
    """Nor does a debit read as a credit."""
    said = amounts.usd(amount)
    assert (said == "0.00") == (amount == 0)
    assert said.lstrip(">").startswith("-") == (amount < 0)


@given(spent=st.lists(st.decimals(0, 10**6, places=6), min_size=1, max_size=9))
def test_members_of_a_budget_are_counted_and_not_named(spent: list[Decimal]) -> None:
    """They may be people; sums stay exact."""
    rows = [budget_row("each", str(one), "10", member=f"person-{number}") for number, one in enumerate(spent)]
    [line] = collapsed(rows)
    assert (line.members, line.spent, line.limit) == (len(spent), sum(spent, Decimal(0)), Decimal(10 * len(spent)))
    assert line.breached == sum(one >= 10 for one in spent)
    assert "person" not in repr(line)


@given(seconds=st.integers(0, 4000))
def test_old_rates_are_never_taken_for_new(seconds: int) -> None:
    """A picture that burnt when it was last known says that it is old; a quiet one only if usage came since."""
    as_of = NOW - timedelta(seconds=seconds)
    assert picture(as_of=as_of).is_behind(NOW) == (seconds > LATE_SEC)
    assert not quiet(as_of=as_of, last_used=None).is_behind(NOW)
    assert quiet(as_of=as_of, last_used=NOW).is_behind(NOW) == (seconds > LATE_SEC)
