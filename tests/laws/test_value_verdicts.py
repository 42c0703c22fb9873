"""What the sink says about value night after night, whatever is found and whenever it is killed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.signals import Advice, Alert, CloudSignal
from sinks.value_findings import Name, findings, questions
from sinks.value_verdicts import ADVICE, AGAIN, ALERTS, LOW_VALUE, Finding, Sent, open_episodes, said_at_night

NIGHT = datetime(2026, 11, 24, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def finding(use_case: str = "refunds", *, rule: str = LOW_VALUE, **changes: Any) -> Finding:
    """A use case that costs much and brings little."""
    data: dict[str, Any] = {
        "rule": rule, "level": "stop", "org": "acme", "entity_type": "use_case", "entity_id": use_case,
        "severity": "warning", "value": Decimal(400), "threshold": Decimal(20), "message": "dear", "owner": "dana",
    }  # fmt: skip
    return Finding(**data | changes)


class Topics:
    """What stands in the topics; nights that are judged add to it, as one transaction each."""

    def __init__(self) -> None:
        self.values: dict[str, list[bytes]] = {ALERTS: [], ADVICE: []}

    def judged(self, night: datetime, *found: Finding, killed: bool = False) -> list[Sent]:
        """What is said of a night; a killed process has committed nothing."""
        said = said_at_night(open_episodes(self.values[ALERTS]), found, night=night)
        for topic, _key, value in [] if killed else said:
            self.values[topic].append(value)
        return said

    def alerts(self) -> list[Alert]:
        """All transitions, in order."""
        return [alert for raw in self.values[ALERTS] if isinstance(alert := decoded(raw), Alert)]

    def advice(self) -> list[Advice]:
        """All advice, in order."""
        return [advice for raw in self.values[ADVICE] if isinstance(advice := decoded(raw), Advice)]


def decoded(raw: bytes) -> object:
    """The data of a signal."""
    return CloudSignal.model_validate_json(raw).data


FOUND = st.sets(st.sampled_from(["a", "b", "c"])).map(sorted)


@given(st.lists(st.tuples(FOUND, st.lists(FOUND, max_size=2)), max_size=12))
def test_episodes_are_told_once_however_often_a_night_is_begun(nights: list[tuple[list[str], list[list[str]]]]) -> None:
    """A killed try says nothing; an episode counts 1, 2, ... and ends once; open is what the last night found."""
    topics = Topics()
    for number, (names, killed) in enumerate(nights):
        night, found = NIGHT + number * DAY, [finding(name) for name in names]
        for others in killed:
            topics.judged(night, *(finding(name) for name in others), killed=True)
        topics.judged(night, *found)
        assert [topic for topic, *_ in topics.judged(night, *found, killed=True) if topic == ALERTS] == []
        assert {key[3] for key in open_episodes(topics.values[ALERTS])} == set(names)
        tonight = {one.entity_id: one.advice for one in topics.advice() if one.at == night}
        before = set(nights[number - 1][0]) if number else set()
        assert tonight == dict.fromkeys(names, "low_value") | dict.fromkeys(before - set(names), "continue")
    episodes: dict[str, list[Alert]] = {}
    for alert in topics.alerts():
        episodes.setdefault(alert.alert_id, []).append(alert)
    for told in episodes.values():
        assert [alert.seq for alert in told] == list(range(1, len(told) + 1))
        assert [alert.status for alert in told] == ["firing", "resolved"][: len(told)]


def test_what_lasts_is_said_again_after_four_weeks_and_advice_ends_by_itself() -> None:
    """Not a day before; with what is known then."""
    topics = Topics()
    topics.judged(NIGHT, finding())
    topics.judged(NIGHT + AGAIN - DAY, finding(value=Decimal(500)))
    assert len(topics.alerts()) == 1
    topics.judged(NIGHT + AGAIN, finding(value=Decimal(600), owner="eve"))
    last = topics.alerts()[-1]
    assert (last.seq, last.status, last.value, last.owner) == (2, "firing", Decimal(600), "eve")
    assert [one.valid_until - one.at for one in topics.advice()] == [2 * DAY] * 3


def test_a_period_that_is_long_over_ends_its_episode_as_such() -> None:
    """Its reason says so, and nothing is advised about it."""
    topics = Topics()
    period = (NIGHT - 4 * DAY, NIGHT - DAY)
    topics.judged(NIGHT, finding(rule="goodhart", level="period_end_rush", period=period))
    topics.judged(NIGHT + DAY)
    assert [(one.status, one.reason) for one in topics.alerts()] == [("firing", None), ("resolved", "period_over")]
    assert topics.advice() == []


def rows(**told: list[dict[str, Any]]) -> dict[Name, list[dict[str, Any]]]:
    """Answers to the questions; those that are not given are empty."""
    return {name: told.get(name, []) for name, _ in questions(NIGHT)}


@pytest.mark.parametrize(
    ("wasted", "spent", "is_open", "found"),
    [
        ("50", "1000", False, True), ("49.999999999999", "1000", False, False),
        ("30", "1000", True, True), ("29.999999999999", "1000", True, False),
        ("10", "100", False, True), ("9.999999999999", "100", False, False),
    ],
)  # fmt: skip
def test_proven_waste_opens_at_five_percent_and_ends_below_three(
    wasted: str,
    spent: str,
    is_open: bool,  # noqa: FBT001  a parameter of the table
    found: bool,  # noqa: FBT001  as above
) -> None:
    """And disturbs nobody below 10 USD; its owner is the team's."""
    usd = Decimal(wasted)
    row = {"org": "acme", "team": "code", "usd": usd, "calls": 7, "kinds": ["duplicate"], "kinds_usd": [usd]}
    owners = [{"org": "acme", "entity_type": "team", "entity_id": "code", "owner": "dana"}]
    held = {("waste", "acme", "team", "code", "proven", "")} if is_open else set()
    told = findings(rows(waste=[row | {"spent_usd": Decimal(spent)}], owners=owners), held=held)
    assert [(one.rule, one.owner, one.value) for one in told] == ([("waste", "dana", usd)] if found else [])


def test_weeks_that_are_over_are_judged() -> None:
    """On a Monday the week that ended with Sunday; on the Sunday before, the one before."""
    weeks = {
        night.strftime("%a"): dict(questions(night))["quadrants"].parameters["week"].isoformat()
        for night in (NIGHT - 2 * DAY, NIGHT - DAY, NIGHT)
    }
    assert weeks == {"Sun": "2026-11-09", "Mon": "2026-11-16", "Tue": "2026-11-16"}


@pytest.mark.parametrize(
    ("advice", "cost", "known", "held", "found"),
    [
        ("stop", "10", 1, (), "stop"), ("stop", "9.99", 1, (), None),
        ("stop", "7", 1, ("stop",), "stop"), ("stop", "6.99", 1, ("stop",), None),
        ("intervene", "10", 1, ("stop",), "intervene"),
        ("intervene", "10", 0, (), None), ("intervene", "10", 0, ("stop",), "stop"),
        ("watch", "7", 0, ("stop",), "stop"), ("intervene", "6.99", 0, ("stop",), None),
        ("watch", "7", 0, ("intervene",), "intervene"),
    ],
)  # fmt: skip
def test_what_is_open_ends_by_what_is_known(
    advice: str, cost: str, known: int, held: tuple[str, ...], found: str | None
) -> None:
    """A use case opens at 10 USD and ends below 7; where no outcome is known nothing opens, and nothing ends."""
    row = {
        "org": "acme", "use_case": "mails", "owner": "", "cost_usd": Decimal(cost), "cost_ratio": 0.5,
        "value_usd": None, "things": known, "valued": known, "advice": advice, "known": known, "requests": 3,
    }  # fmt: skip
    rules = {"stop": LOW_VALUE, "intervene": "intervention"}
    keys = {(rules[level], "acme", "use_case", "mails", level, "") for level in held}
    told = findings(rows(quadrants=[row]), held=keys)
    assert [(one.rule, one.level) for one in told] == ([] if found is None else [(rules[found], found)])
    assert all(("brought" in one.message) == (known > 0 and found == "stop") for one in told)


@pytest.mark.parametrize(
    ("usd", "median", "reason", "held", "found"),
    [
        ("160", "40", "", "", "without_value"), ("159.99", "40", "", "", None),
        ("120", "40", "", "without_value", "without_value"), ("119.99", "40", "", "without_value", None),
        ("120", "40", "", "explained", None),
        ("12", "2", "", "", "without_value"), ("11.99", "2", "", "", None), ("11.99", "2", "", "without_value", None),
        ("160", "40", "outcomes_fine", "", "explained"), ("160", "40", "outcomes_unknown", "explained", "explained"),
        ("120", "40", "allowance", "explained", "explained"), ("120", "40", "allowance", "without_value", None),
    ],
)  # fmt: skip
def test_who_costs_four_times_is_told_and_who_is_explained_is_not(
    usd: str, median: str, reason: str, held: str, found: str | None
) -> None:
    """Four times and 10 USD more, three while it is open; with a reason it is kept and notifies nobody."""
    row = {
        "org": "acme", "entity_type": "user", "entity_id": "eve", "team": "code", "peer_group": "team code", "peers": 5,
        "week": date(2026, 11, 16),
        "usd": Decimal(usd) - 1, "free_usd": Decimal(1), "median_usd": Decimal(median), "successes": 1,
        "peers_successes": 5, "peers_usd": Decimal(200), "reason": reason,
    }  # fmt: skip
    owners = [{"org": "acme", "entity_type": "team", "entity_id": "code", "owner": "dana"}]
    keys = {("peer", "acme", "user", "eve", held, "")} if held else set()
    told = findings(rows(peers=[row], owners=owners), held=keys)
    assert [(one.level, one.owner, one.value) for one in told] == ([(found, "dana", Decimal(usd))] if found else [])
    for one in told:
        assert (one.notify, one.severity) == ((False, "info") if reason else (True, "warning"))
        assert one.evidence.get("reason", "") == reason
        assert ("not flagged" in one.message) == bool(reason)
