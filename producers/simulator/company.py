"""The company that is simulated: business units, teams, people, keys. The same for every seed of the day. Pure."""

from dataclasses import dataclass

ORG = "northwind"
EUROPE, US = "eu", "us"


@dataclass(frozen=True, kw_only=True)
class Team:
    """A team: who pays for it, what it works on, how many people it has, and how it uses models."""

    name: str
    business_unit: str
    cost_center: str
    zone: str
    people: int
    habit: str
    projects: tuple[str, ...]
    use_cases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a key of their own, whom the gateway has authenticated."""

    user: str
    credential: str
    team: Team


_TABLE = """
# team          business unit  centre  zone  people  habit     projects             use cases
code-platform   engineering    1100    eu    14      code      monorepo,build       pull-requests,refactoring
web-shop        engineering    1110    eu    12      code      storefront,checkout  pull-requests,bug-fixing
mobile-app      engineering    1120    us    11      code      ios,android          pull-requests,test-fixing
data-platform   engineering    1130    eu    11      analysis  lake,pipelines       sql,log-triage
support         customer       2100    us    14      chat      helpdesk             answers,triage
success         customer       2110    eu    8       chat      renewals             summaries,emails
field-ops       customer       2120    us    8       chat      dispatch             planning,reports
marketing       growth         3100    eu    12      writing   campaigns,brand      copy,translation
sales           growth         3110    us    12      chat      pipeline             emails,research
search          growth         3120    us    7       analysis  ranking              relevance,experiments
finance         corporate      4100    eu    6       analysis  closing              reconciliation,reports
legal           corporate      4110    us    5       writing   contracts            review,summaries
"""


def _team(row: str) -> Team:
    name, unit, center, zone, people, habit, projects, use_cases = row.split()
    return Team(
        name=name,
        business_unit=unit,
        cost_center=f"cc-{center}",
        zone=zone,
        people=int(people),
        habit=habit,
        projects=tuple(projects.split(",")),
        use_cases=tuple(use_cases.split(",")),
    )


TEAMS = tuple(_team(row) for row in _TABLE.strip().splitlines()[1:])
BY_NAME = {team.name: team for team in TEAMS}

_FIRST = (
    "ana", "ben", "chloe", "dana", "emil", "fatima", "goran", "hana", "ivan", "june", "kofi", "lena", "mateo", "nadia",
    "omar", "priya", "quinn", "rosa", "sven", "tara", "uma", "victor", "wei", "yara", "zoe",
)  # fmt: skip
_LAST = ("adler", "brandt", "costa", "duval", "eriksen")


def people() -> tuple[Person, ...]:
    """All 120 people, each in one team, each with one key."""
    found: list[Person] = []
    for team in TEAMS:
        for _ in range(team.people):
            at = len(found)
            user = f"{_FIRST[at % len(_FIRST)]}.{_LAST[at // len(_FIRST) % len(_LAST)]}"
            found.append(Person(user=user, credential=f"key-{user}", team=team))
    return tuple(found)
