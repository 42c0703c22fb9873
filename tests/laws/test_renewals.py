"""Contracts that end soon are said once, with what of the change is price and what is volume."""

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.charges import ChargeEvent
from schemas.policies import RenewalRule
from schemas.signals import Alert, CloudSignal
from streams.rating.renewals import change_of, terms_of
from streams.rating.standing_charges import Charge, charge_of, kept_of
from tests.laws.charge_world import HOUR_US, NOW_US, ChangingPolicies, Lane, message

DAY_US = 24 * HOUR_US


def charge(event: dict[str, Any]) -> Charge:
    """The charge that a message is."""
    return charge_of(kept_of(ChargeEvent.model_validate_json(json.dumps(event)), received_us=NOW_US))


def seats(id_: str, first: str, until: str, quantity: str | None, amount: str, **more: Any) -> dict[str, Any]:
    """A year of seats, or so."""
    period = {"service_from": first, "service_until": until}
    return message(id_, **period, quantity=quantity, amount_usd=amount, **more)


def alerts(lane: Lane) -> list[Alert]:
    """What was said so far, read by the contract."""
    sent = [output for output in lane.outputs if output.topic == "alerts.budgets"]
    found = [CloudSignal.model_validate_json(output.value).data for output in sent]
    assert [output.key for output in sent] == [one.alert_id.encode() for one in found if isinstance(one, Alert)]
    return [one for one in found if isinstance(one, Alert)]


LAST_YEAR = seats("c-2025", "2024-12-10", "2025-12-10", "100", "36000")
THIS_YEAR = seats("c-2026", "2025-12-10", "2026-12-10", "120", "56160")
NEXT_YEAR = seats("c-2027", "2026-12-10", "2027-12-10", "110", "102960")

lines = st.lists(
    st.tuples(
        st.sampled_from(["pro", "team", None]),
        st.sampled_from([None, "1", "12.5", "100"]),
        st.integers(1, 10**17),
        st.integers(0, 300),
    ),
    min_size=1,
    max_size=5,
)


@given(lines, lines, st.integers(31, 400), st.integers(31, 400))
def test_price_and_volume_are_all_of_a_change(older: Any, newer: Any, days: int, more: int) -> None:
    """Exactly, whatever items come, go, or name no quantity, and however long the terms are."""
    end = date(2025, 12, 10)
    found = []
    for number, (some, until, length) in enumerate([(older, end, days), (newer, end + timedelta(days=more), more)]):
        for at, (item, quantity, pico, later) in enumerate(some):
            first = until - timedelta(days=max(1, length - later))
            usd = format(Decimal(pico).scaleb(-12), "f")
            found.append(charge(seats(f"c-{number}-{at}", str(first), str(until), quantity, usd, item=item)))
    (terms,) = terms_of(found).values()
    change = change_of(*terms)
    assert change.price_effect_usd + change.volume_effect_usd == change.newer_usd - change.older_usd
    assert change_of(terms[1], terms[1]).price_effect_usd == Fraction(0)


def test_price_is_told_from_volume() -> None:
    """100 seats at 360 to 120 at 468: 20 more at the old price, and 120 dearer by 108."""
    (terms,) = terms_of([charge(LAST_YEAR), charge(THIS_YEAR)]).values()
    change = change_of(*terms)
    assert (change.older_usd, change.newer_usd) == (Fraction(36_000), Fraction(56_160))
    assert (change.price_effect_usd, change.volume_effect_usd) == (Fraction(120 * 108), Fraction(20 * 360))


def test_a_contract_is_said_thirty_days_before_its_end_and_once() -> None:
    """It ends with the 9th of December: from the 10th of November on; through ticks and restarts."""
    lane = Lane(ChangingPolicies())
    lane.send([LAST_YEAR, THIS_YEAR], at_us=NOW_US - 13 * DAY_US)
    assert alerts(lane) == []
    for hours in range(0, 48, 6):
        lane.tick(NOW_US - 13 * DAY_US + hours * HOUR_US)
        lane.restart()
    (alert,) = alerts(lane)
    assert (alert.rule, alert.status, alert.severity, alert.level) == ("renewal", "firing", "warning", "30d")
    assert (alert.entity_type, alert.entity_id) == ("contract", "C-1")
    assert [alert.value, alert.threshold] == [56_160, 36_000]
    assert (alert.evidence["price_effect_usd"], alert.evidence["volume_effect_usd"]) == ("12960", "7200")
    assert alert.message == (
        "contract C-1 with github ends on 2026-12-09; its period of 365 days costs 56160.00 USD; against the one "
        "before: +20160.00 USD (36000.00 to 56160.00), of that price +12960.00 and volume +7200.00"
    )
    assert alert.at.isoformat() == "2026-11-10T00:00:00+00:00"


def test_a_renewal_that_becomes_known_resolves_with_its_change() -> None:
    """Who asked gets the answer: twice the price, ten seats less."""
    lane = Lane(ChangingPolicies())
    lane.send([THIS_YEAR])
    lane.send([NEXT_YEAR], at_us=NOW_US + HOUR_US)
    opened, closed = alerts(lane)
    assert (opened.status, closed.status, opened.alert_id, closed.seq) == ("firing", "resolved", closed.alert_id, 2)
    assert opened.severity == "info"
    assert closed.message.startswith(
        "resolved, it is renewed, +46800.00 USD (56160.00 to 102960.00), of that price +51480.00 and volume -4680.00"
    )


def test_a_renewal_that_is_known_before_is_shown_against_what_ends() -> None:
    """It stays open until the period is over."""
    lane = Lane(ChangingPolicies())
    lane.send([THIS_YEAR, NEXT_YEAR])
    (alert,) = alerts(lane)
    assert (alert.severity, alert.evidence["next"]) == ("warning", "2027-12-10")
    assert "the next against it: +46800.00 USD" in alert.message
    for _ in range(12):
        lane.tick(NOW_US + 19 * DAY_US)
    assert [one.status for one in alerts(lane)] == ["firing", "resolved"]
    assert alerts(lane)[1].message.startswith("resolved, its period is over")


def test_what_is_bought_in_between_renews_nothing() -> None:
    """Twenty seats from July to July are compared with no year; the year ends unrenewed, until its renewal is known."""
    lane = Lane(ChangingPolicies())
    more = seats("c-more", "2026-07-01", "2027-07-01", "20", "9360")
    lane.send([LAST_YEAR, THIS_YEAR, more])
    (alert,) = alerts(lane)
    assert "against the one before: +20160.00 USD" in alert.message
    lane.send([NEXT_YEAR])
    assert "it is renewed, +46800.00 USD" in alerts(lane)[1].message
    for _ in range(12):
        lane.tick(NOW_US + 200 * DAY_US)
    ends = next(one for one in alerts(lane) if "ends on 2027-06-30" in one.message)
    assert ends.message.endswith("period of 365 days costs 9360.00 USD")


def test_a_renewal_takes_what_was_bought_before_into_its_term() -> None:
    """Seats from October on that end with next year are part of it; next year still renews this one."""
    lane = Lane(ChangingPolicies())
    lane.send([THIS_YEAR])
    lane.send([NEXT_YEAR, seats("c-early", "2026-10-01", "2027-12-10", "5", "5000")])
    assert [one.status for one in alerts(lane)] == ["firing", "resolved"]


def test_what_is_billed_by_the_month_or_over_is_not_said() -> None:
    """A month of seats renews each month; last year's contract is history; a credit is no contract."""
    lane = Lane(ChangingPolicies())
    lane.send([message(), LAST_YEAR, seats("c-3", "2026-01-01", "2026-12-01", None, "-5", kind="credit", contract="X")])
    assert alerts(lane) == []


def test_charges_that_are_taken_back_resolve_their_alert() -> None:
    """An amount of 0 is no contract any more."""
    lane = Lane(ChangingPolicies())
    lane.send([THIS_YEAR])
    lane.restart()
    lane.send([{**THIS_YEAR, "data": {**THIS_YEAR["data"], "revision": 2, "amount_usd": "0"}}])
    assert [one.status for one in alerts(lane)] == ["firing", "resolved"]


def test_the_rule_of_an_org_says_how_early() -> None:
    """Ten days before, or never."""
    for rule, said in ((RenewalRule(org="acme", days_before=10), 0), (RenewalRule(org="acme", enabled=False), 0)):
        policies = ChangingPolicies()
        policies.set(rule)
        lane = Lane(policies)
        lane.send([THIS_YEAR])
        assert len(alerts(lane)) == said
        for _ in range(12):
            lane.tick(NOW_US + 9 * DAY_US)
        assert len(alerts(lane)) == (1 if rule.enabled else 0)
