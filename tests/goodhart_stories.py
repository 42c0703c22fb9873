"""Teams that were thought up: who only performs, and who only looks like it; use cases that move between quadrants."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.value_world import START, Json, call, outcome

DAYS = 35
"""Five weeks from Monday, 2 November: the last three days of the month are the 26th to the 28th of them."""
RUSH = (26, 27, 28)
PROMISED_UNTIL = (15, 16, 17)
"""The last three days of the commitment of the team `promised`: 17 to 19 November."""


class Story:
    """Calls and outcomes of teams, day by day."""

    def __init__(self) -> None:
        self.calls: list[Json] = []
        self.words: list[Json] = []

    def use(self, team: str, day: int, tokens: int, *, person: int = 0, **data: Any) -> None:
        """A call with so many tokens."""
        made = call(len(self.calls), at=START + timedelta(days=day), team=team, user=f"{team}-{person}", **data)
        leaves = dict.fromkeys((name for name in made if name.startswith(("input_", "output_"))), 0)
        self.calls.append(made | leaves | {"input_tokens": tokens, "input_uncached_tokens": tokens})

    def bring(self, team: str, day: int, number: int = 1, **data: Any) -> None:
        """So many tickets were resolved."""
        for _ in range(number):
            named = {name: value for name, value in data.items() if value is not None}
            said = {"outcome_type": "resolved_ticket", "team": team, "accepted": True} | named
            self.words.append(outcome(f"o-{len(self.words)}", at=START + timedelta(days=day), **said))

    def team(
        self,
        name: str,
        tokens: Callable[[int], int],
        *,
        successes: Callable[[int], int] = lambda _day: 1,
        people: int = 5,
        org: str = "acme",
        **data: Any,
    ) -> None:
        """Everybody uses so much on each day, and so much comes of it."""
        for day in range(DAYS):
            for person in range(people):
                self.use(name, day, tokens(day), person=person, org=org, **data)
            self.bring(name, day, successes(day), org=org)


def performances() -> tuple[list[Json], list[Json], set[tuple[str, str]]]:
    """Outcomes, calls, and (team, kind) of each finding; beside each kind teams that must have none."""
    story = Story()

    def rush(day: int) -> int:
        return 2200 if day in RUSH else 1000

    def more(day: int) -> int:
        return 1600 if day >= 28 else 1000

    def hurry(day: int) -> int:
        return 2400 if day in PROMISED_UNTIL else 1000

    story.team("rush", rush)
    story.team("rush with outcomes", rush, successes=lambda day: 3 if day in RUSH else 1)
    story.team("rush of four", rush, people=4)
    story.team("rush without outcomes", rush, successes=lambda _day: 0)
    story.team("small rush", lambda day: 1900 if day in RUSH else 1000)
    story.team("discovery rush", lambda _day: 1000)
    for day in RUSH:
        story.use("discovery rush", day, 9000, spend_class="discovery")
    story.team("volume", more)
    story.team("volume with outcomes", more, successes=lambda day: 2 if day >= 28 else 1)
    story.team("little volume", lambda day: 1400 if day >= 28 else 1000)
    story.team("volume of four", more, people=4)
    story.team("young", more, org="young")  # what comes of it may still come
    for name, usual in (("burst", "checkout"), ("burst as ever", None)):
        story.team(name, lambda _day: 1000, use_case=usual)
        story.use(name, 20, 15_000, use_case=None)
    story.team("small burst", lambda _day: 1000)
    story.use("small burst", 20, 2000, use_case=None)
    story.team("burst with a purpose", lambda _day: 1000)
    story.use("burst with a purpose", 20, 15_000, use_case=None, purpose="migration")
    story.team("burst of the silent", lambda _day: 1000, successes=lambda _day: 0, org="silent")
    story.use("burst of the silent", 20, 15_000, org="silent", use_case=None)
    story.team("promised", hurry)
    story.team("promised nothing", hurry)
    story.bring("later", 60)
    found = {
        ("promised", "period_end_rush"),
        ("rush", "period_end_rush"),
        ("volume", "volume_up_outcomes_flat"),
        ("burst", "off_task_burst"),
    }
    return story.words, story.calls, found


WEEK_APART_DAYS = 30
WEEKS: tuple[tuple[int, tuple[str | None, ...], str], ...] = (
    (11, ("11.1",), "keep"),  # it brings what it costs
    (8, ("7.6",), "keep"),
    (11, ("9.8",), "stop"),
    (8, ("7.6",), "stop"),
    (8, ("8",), "keep"),
    (6, ("5",), "watch"),
    (9, ("50", None, None), "ask"),
    (11, ("5",), "stop"),
)
"""What `edge` cost of 100 USD, what came of it, and the advice: weeks that are so far apart that none sees another."""


def quadrants() -> tuple[list[Json], list[Json], list[tuple[int, str, str]]]:
    """Outcomes, calls, and (number of the week, use case, advice); values in between change nothing."""
    story = Story()
    said: list[tuple[int, str, str]] = []
    for number, (cost, values, advice) in enumerate(WEEKS):
        day = number * WEEK_APART_DAYS
        said += [
            (number, use_case, what) for use_case, what in (("cheap", "feed"), ("edge", advice), ("rest", "intervene"))
        ]
        for use_case, cost_usd in (("edge", cost), ("cheap", 1), ("rest", 99 - cost)):
            story.use("code", day, 100, use_case=use_case, cost_usd=str(cost_usd))
        for value in values:
            story.bring("code", day, use_case="edge", value_usd=value)
        story.bring("code", day, use_case="cheap", value_usd="10")
        if advice == "watch":
            story.bring("code", day, use_case="edge", value_usd="999", accepted=False)  # failed: worth nothing
    return story.words, story.calls, said


def habits() -> tuple[list[Json], list[Json]]:
    """Outcomes, calls: what a success takes by week, people with one model, answers that were worse than before."""
    story = Story()
    for week, (tokens, successes) in enumerate(((300, 1), (400, 4), (None, 0), (100, 1))):
        for number in range(successes):
            story.use("trend", week * 7, tokens or 0, use_case="search", task=f"t-{week}-{number}")
            story.bring("trend", week * 7, use_case="search", task=f"t-{week}-{number}")
    story.use("trend", 21, 100, use_case="search", task="t-unpriced", cost_usd=None)
    story.bring("trend", 21, use_case="search", task="t-unpriced")  # a success that nobody knows the cost of
    story.use("trend", 7, 80, use_case="search", task="t-failed")
    story.bring("trend", 7, use_case="search", task="t-failed", accepted=False)
    story.bring("trend", 7, use_case="search", task="t-unknown")
    for team, people, classes in (("habit", 5, 2), ("habit of four", 4, 2), ("one kind of work", 5, 1)):
        for person in range(people):
            for number in range(20):
                alone = person < 3 or number < 17
                model = "large" if alone else "small"
                data: Json = {"model": model, "requested_model": "large", "use_case": "chat"}
                story.use(team, 1, 10, person=person, task_class=f"class-{number % classes}", **data)
    for model, wanted in (
        ("large-2026", "openai/large"),
        ("large-2026-08-06", "large-latest"),
        ("large-mini", "large"),
        ("large-1", "large"),
    ):
        story.use("code", 1, 10, task_class="class-1", model=model, requested_model=wanted, use_case="names")
    for use_case, before, after in (("worse", 20, 10), ("alike", 20, 18), ("few", 19, 0)):
        cases = 19 if use_case == "few" else 20
        for week, accepted in ((0, before), (5, after)):
            for number in range(cases):
                story.bring("code", week * 7, use_case=use_case, accepted=number < accepted, intervention=week == 0)
    return story.words, story.calls
