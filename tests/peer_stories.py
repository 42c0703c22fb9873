"""Teams of six in which one spends four times as much as the others: who is told of, and who only looks like it."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from schemas.directory import User
from schemas.value_policies import Allowance
from tests.goodhart_stories import Story

WEEKS = (0, 7, 14, 21)
JUDGED_ON = 34
"""The first night on which these four weeks are over for a week, in days."""


@dataclass
class Peers:
    """A story, who is in which cohort, and what is said of whom: a reason not to tell, or none."""

    story: Story = field(default_factory=Story)
    directory: list[User] = field(default_factory=list)
    allowances: list[Allowance] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    def team(  # noqa: PLR0913  what the teams differ in
        self, name: str, reason: str | None, *, usd: str = "160", others_usd: str = "40", people: int = 6,
        first: int = 0, successes: int = 1, others_successes: int = 1, value_usd: str | None = None,
        by_task: bool = False, discovery_usd: str = "0", unpriced: bool = False, org: str = "acme",
        team: str | None = None,
    ) -> None:  # fmt: skip
        """Person 0 spends `usd`, each other one `others_usd`, in four parts, from their first day on."""
        story = self.story
        for person in range(people):
            where = team or name
            spends = Decimal(usd) - Decimal(discovery_usd) if person == 0 else Decimal(others_usd)
            begins = first if person == 0 else 0
            user, task = f"{where}-{person}", f"{where}/{person}" if by_task else None
            for week in WEEKS:
                day = max(week, begins)
                cost = None if unpriced and person == 1 else str(spends / 4)
                story.use(where, day, 10, person=person, cost_usd=cost, org=org, task=task)
            if person == 0 and Decimal(discovery_usd):
                story.use(where, 1, 10, cost_usd=discovery_usd, spend_class="discovery", org=org)
            number = successes if person == 0 else others_successes
            worth = value_usd if person == 0 else None
            said = {"task": task} if by_task else {"user": user}
            story.bring(where, 20, number, value_usd=worth, org=org, **said)
        if reason is not None:
            self.said[f"{team or name}-0"] = reason


def peers() -> Peers:
    """All of them; a reason of "" is told, None is said of nobody."""
    made = Peers()
    team = made.team
    team("four times", "")
    team("not quite", None, usd="159.96")
    team("as good per dollar", "outcomes_fine", successes=2)
    team("as good by its tasks", "outcomes_fine", successes=2, by_task=True)
    team("worth its money", "outcomes_fine", value_usd="160")
    team("worth less than its money", "", value_usd="159")
    team("nothing known", "outcomes_unknown", successes=0, others_successes=0)
    team("five people", None, people=5)
    team("five with a known cost", None, unpriced=True)
    team("new", None, first=1)
    team("little money", None, usd="4", others_usd="0.1")
    team("allowed", "allowance", discovery_usd="120")
    team("beyond what is allowed", "", discovery_usd="120")
    team("silent", None, org="silent", successes=0, others_successes=0)
    for number in range(3):  # of two people each, in one cohort
        name = f"on call {number}"
        team(name, "" if number == 0 else None, people=2, usd="160" if number == 0 else "40")
        made.directory += [User(org="acme", id=f"{name}-{person}", cohort="on call") for person in range(2)]
    starts = date(2026, 11, 1)
    for name, usd in (("allowed", 120), ("beyond what is allowed", 119)):
        made.allowances.append(Allowance(id=name, org="acme", team=name, starts=starts, usd_per_month=Decimal(usd)))
    return made
