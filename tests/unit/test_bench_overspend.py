"""The bench of overspends: what is planted is one, the judge is fair, and burn finds what a small company holds."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from deploy.bench.overspend import BURN, Line, World, judged, of_burn, simulated
from deploy.bench.overspend_burn import START, alerts_of
from deploy.bench.overspend_rivals import Said, litellm, thresholds_only
from deploy.bench.overspend_spending import PER_DAY, STEP_SEC
from deploy.cli.bench_overspend import show
from schemas.errors import InputError
from schemas.periods import micros
from schemas.signals import Alert

DAYS, PLANTED = 5, 2


@cache
def small() -> World:
    """Sixty budgets, five days, two overspends."""
    return simulated(seed=1, entities=60, days=DAYS, overspends=PLANTED)


@cache
def told() -> tuple[Alert, ...]:
    """What burn says of it."""
    return tuple(alerts_of(small().books.company, small().spent))


def said(*alerts: tuple[int, int], page: bool = True) -> Said:
    """Alerts of an entity at a step."""
    entity, step = np.array(alerts, np.int64).reshape(-1, 2).T
    return Said(entity, step, np.full(len(alerts), page))


def test_what_is_planted_is_an_overspend() -> None:
    """It uses its target's budget up on the day it stops; without it the target stays within its budget."""
    world = small()
    assert len(world.overspends) == PLANTED
    for one in world.overspends:
        limit = int(world.books.company.limits_micro[one.target])
        sums = np.cumsum(world.spent[one.target])
        assert sums[one.begins] < limit <= sums[one.stops - 1] + 1
        assert sums[one.stops - 2] < limit
        assert world.books.by_entity[one.target].sum() * 1e6 < limit


def test_burn_finds_them_in_time_and_wakes_nobody_for_nothing() -> None:
    """Both while at least half is left; no page is false."""
    line = judged(small(), BURN, of_burn(small(), told()))
    assert (line.found(), line.in_time(), line.false_pages) == (PLANTED, PLANTED, 0)


def test_burn_crosses_thresholds_when_sums_do() -> None:
    """The engine's own threshold alerts are those that plain sums cross, at the same step: nothing was lost."""
    world = small()
    places = {world.books.company.name(entity): entity for entity in range(60)}
    of_engine = [
        (places[one.member or ""], (micros(one.at) - micros(START)) // (STEP_SEC * 1_000_000) - 1)
        for one in told()
        if one.rule == "threshold" and one.status == "firing"
    ]
    plain = thresholds_only(world.books.company.limits_micro, world.spent)
    assert sorted(of_engine) == sorted(zip(plain.entity.tolist(), plain.step.tolist(), strict=True))
    assert len(of_engine) > PLANTED


def test_an_alert_counts_from_the_beginning_until_the_budget_is_used_up() -> None:
    """What was said a step before it began, or when nothing was left, finds nothing."""
    world = small()
    one = world.overspends[0]

    def found(step: int) -> int:
        return judged(world, "by hand", said((one.target, step))).found()

    assert [found(step) for step in (one.begins - 1, one.begins, one.stops - 2, one.stops - 1)] == [0, 1, 1, 0]


def test_an_alert_is_false_unless_something_is_wrong() -> None:
    """False: of a budget that nothing debits, or before the overspend. By chance: of one that is used up anyway."""
    world = small()
    one = world.overspends[0]
    debited = {entity for each in world.overspends for entity in each.entities().tolist()}
    other = next(entity for entity in range(60) if entity not in debited)
    alerts = said((other, 5), (one.target, one.begins - 1), (one.target, one.begins))

    def counted(line: Line) -> tuple[int, int, int]:
        return line.false_pages, line.false_alerts, line.by_chance

    assert counted(judged(world, "by hand", alerts)) == (2, 2, 0)
    limits = world.books.company.limits_micro.copy()
    limits[other] = 1
    company = replace(world.books.company, limits_micro=limits)
    by_entity = np.maximum(world.books.by_entity, 1e-3)
    poor = replace(world, books=replace(world.books, company=company, by_entity=by_entity))
    assert counted(judged(poor, "by hand", alerts)) == (1, 1, 1)


def test_litellm_projects_a_straight_line_and_says_so_each_day() -> None:
    """Even spend that ends 3 % over: said late on each day, as today is spent but not yet a day of the line."""
    spent = np.full((1, 30 * PER_DAY), 1_000, np.int64)
    alerts = litellm(np.array([round(30 * PER_DAY * 1_000 / 1.03)]), spent)
    assert alerts.step.tolist()[:2] == [PER_DAY - 1 - PER_DAY // 34, 2 * PER_DAY - 1 - PER_DAY // 34]
    assert bool(alerts.page.all())


def test_the_same_seed_is_the_same_month() -> None:
    """A figure of a document can be made again."""
    one, again, other = (simulated(seed=seed, entities=60, days=DAYS, overspends=0) for seed in (1, 1, 2))
    assert np.array_equal(one.spent, again.spent)
    assert not np.array_equal(one.spent, other.spent)


def test_it_prints_a_line_for_each_set_of_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """The table has found, false and all alerts; below it stands what was found late or never, and when."""
    world = small()
    one = world.overspends[0]
    show([judged(world, "by hand", said((one.target, one.stops - 2)))])
    out = capsys.readouterr().out
    assert f"1 of {PLANTED}" in out
    assert f"{one.kind.name} ({world.books.company.name(one.target)}" in out
    assert "was found never" in out


def test_impossible_months_are_refused() -> None:
    """A month has 30 days, and a company at least sixty budgets."""
    with pytest.raises(InputError, match="31 days"):
        simulated(seed=1, entities=60, days=31, overspends=1)
    with pytest.raises(InputError, match="too small"):
        simulated(seed=1, entities=59, days=6, overspends=1)
