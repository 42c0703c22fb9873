"""What a start finds of earlier lives, and what an operator's request becomes."""

from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from deploy.policy_files import PolicyFile, read_policies
from deploy.resending import requests_for
from schemas.deliveries import Asked, DeliveryStatus, Resend, Said
from schemas.errors import InputError
from schemas.policies import PolicyChange, fold
from schemas.signals import CloudSignal
from sinks.deliveries import listed, named
from sinks.notifier.alerts import alert_in
from sinks.notifier.desk import Desk
from sinks.notifier.flights import Flights
from sinks.notifier.queues import Limits, Outcome
from sinks.notifier.routing import routes_in
from sinks.notifier.standing import Standing, said_in, standing
from sinks.notifier.unheard import GONE, Unheard
from tests.notifier_world import EXAMPLE, NOW, a_route, an_alert

PLACE = ("alerts.budgets", 0, 41)
KEY = ("acme", "on-call")


def a_desk() -> Desk:
    """A desk with one route."""
    desk = Desk(Limits())
    desk.use({KEY: a_route()})
    return desk


def parked() -> DeliveryStatus:
    """The golden alert, refused by its route."""
    desk = a_desk()
    desk.take(an_alert(), place=PLACE, now=NOW)
    desk.departures(now=NOW)
    return desk.came(KEY, Outcome("refused", "HTTP 400"), now=NOW)


def asked() -> Resend:
    """That, asked for again."""
    return requests_for([dict(parked())], actor="dana", now=NOW)[0]


def test_the_log_says_what_is_settled_and_what_is_open() -> None:
    """Waiting settles nothing; a request is open until a status names it; nonsense is passed.

    What is settled before the position is not read again, and not remembered.
    """
    status, request = parked(), asked()
    waiting = status.model_copy(update={"status": "waiting", "delivery_id": "b/1/r"})
    done = status.model_copy(update={"status": "delivered", "request_id": request.request_id})
    log = [Said(data=one).model_dump_json().encode() for one in (waiting, status)]
    log += [b"", b"{}", Asked(data=request).model_dump_json().encode()]
    assert standing(log, {}) == Standing(frozenset({status.delivery_id}), (request,))
    assert standing(log, {PLACE[:2]: 41}).settled == {status.delivery_id}
    assert standing(log, {PLACE[:2]: 42}).settled == frozenset()
    assert standing([*log, Said(data=done).model_dump_json().encode()], {}).open == ()
    assert said_in(b"\xff") is None


def test_what_is_settled_is_delivered_again_only_when_asked_for() -> None:
    """A second reading of the log changes nothing; a request does, and its status names it."""
    desk = a_desk()
    desk.remember([parked().delivery_id])
    desk.take(an_alert(), place=PLACE, now=NOW)
    assert desk.is_idle
    request = asked()
    assert desk.ask(request, an_alert(), now=NOW) == []
    assert desk.position("alerts.budgets", 0, read=42) == 42  # a request holds no position of alerts
    assert len(desk.departures(now=NOW)) == 1
    status = desk.came(KEY, Outcome("done"), now=NOW)
    assert (status.status, status.request_id) == ("delivered", request.request_id)


def test_a_request_that_cannot_be_is_answered() -> None:
    """The alert is gone, another one stands there, the route is gone, or it is of another org: parked, with why."""
    request = asked()
    for alert, why in ((None, "no longer"), (an_alert(seq=2), "no longer"), (an_alert(org="other"), GONE)):
        [status] = a_desk().ask(request, alert, now=NOW)
        assert (status.status, status.request_id, why in status.reason) == ("parked", request.request_id, True)
    [status] = Desk(Limits()).ask(request, an_alert(), now=NOW)
    assert status.reason == GONE


def test_an_older_transition_does_not_undo_what_stands_at_a_receiver() -> None:
    """What keeps a state is not told that an episode fires which has ended; a webhook may hear it again."""
    request = asked()
    told: dict[str, list[str]] = {}
    for destination, secret in (("pagerduty", "key"), ("alertmanager", None), ("webhook", "key")):
        desk = Desk(Limits())
        desk.use({KEY: a_route(destination=destination, secret=secret)})
        for seq, status in ((1, "firing"), (2, "resolved")):
            desk.recall(an_alert(seq=seq, status=status))
        told[destination] = [one.reason for one in desk.ask(request, an_alert(), now=NOW)]
    why = ["its episode went on: transition 2 says how it stands"]
    assert told == {"pagerduty": why, "alertmanager": why, "webhook": []}


def test_more_than_a_route_can_hold_is_not_asked_for() -> None:
    """Who asks for too much at once is told so."""
    desk = Desk(Limits(most_waiting=3))
    desk.use({KEY: a_route()})
    said = [
        desk.ask(asked().model_copy(update={"delivery_id": f"a{n}/1/on-call"}), an_alert(alert_id=f"a{n}"), now=NOW)
        for n in range(7)
    ]
    assert [len(one) for one in said] == [0] * 6 + [1]
    assert "ask again" in said[-1][0].reason


def test_a_route_that_refuses_holds_the_log_until_it_takes_something() -> None:
    """For a day at most, while it is in force; what nobody tried, or what only waits, says nothing new."""
    refused, unheard = parked(), Unheard()
    unheard.take(refused, offset=7)
    unheard.take(refused.model_copy(update={"attempts": 0}), offset=8)
    assert (unheard.first([KEY], now=NOW), unheard.first([], now=NOW)) == (7, None)
    for word, expected in (("delivered", None), ("waiting", None), ("parked", 9)):
        unheard.take(refused, offset=9)
        unheard.take(refused.model_copy(update={"status": word}), offset=10)
        assert unheard.first([KEY], now=NOW + timedelta(hours=23)) == expected
    later = refused.model_copy(update={"at": NOW + timedelta(days=1)})
    unheard.take(later, offset=11)  # a day of refusals is enough to be read
    assert (unheard.first([KEY], now=later.at), unheard.first([KEY], now=later.at + timedelta(days=1))) == (11, None)


def test_a_route_that_is_taken_away_parks_what_waits_there() -> None:
    """What is on its way may still arrive; the rest is parked at once, and can be asked for when the route is back."""
    desk = a_desk()
    for seq in (1, 2):
        desk.take(an_alert(seq=seq), place=PLACE, now=NOW)
    desk.departures(now=NOW)
    desk.use({})
    assert [(one.seq, one.reason) for one in desk.overdue(now=NOW)] == [(2, GONE)]
    assert desk.came(KEY, Outcome("done"), now=NOW).status == "delivered"
    assert (desk.overdue(now=NOW), desk.is_idle, len(desk.queues)) == ([], True, 0)


def test_a_route_that_is_mended_is_tried_at_once() -> None:
    """Nobody waits five minutes after having corrected a URL; a route that was not changed keeps its wait."""
    desk = a_desk()
    desk.take(an_alert(), place=PLACE, now=NOW)
    desk.departures(now=NOW)
    desk.came(KEY, Outcome("again", "HTTP 503"), now=NOW)
    desk.use({KEY: a_route()})
    assert desk.departures(now=NOW + timedelta(milliseconds=1)) == []
    desk.use({KEY: a_route(url="https://b.example/x")})
    assert len(desk.departures(now=NOW + timedelta(milliseconds=1))) == 1


def test_a_fault_of_ours_parks_the_delivery_and_tells_no_text() -> None:
    """An exception in a delivery's thread is an outcome; its sentence, which may hold a secret, is nowhere."""

    def deliver(*_: object) -> Outcome:
        raise RuntimeError("R0UTINGKEY")

    desk = a_desk()
    desk.take(an_alert(), place=PLACE, now=NOW)
    with capture_logs() as lines:
        flights = Flights(deliver, structlog.get_logger())
        [(route, delivery)] = desk.departures(now=NOW)
        flights.start(route, delivery)
        assert flights.landed(wait_sec=5) == [(KEY, Outcome("refused", "a fault of ours: RuntimeError"))]
    assert [line["error"] for line in lines] == ["RuntimeError"]
    assert "R0UTINGKEY" not in str(lines)


def test_questions_refuse_unknown_words_and_take_values_as_parameters() -> None:
    """A status is one of three; ids and routes are never part of the SQL."""
    with pytest.raises(InputError, match="known are waiting, delivered, parked"):
        listed(status="lost")
    for question in (listed(status="parked", route="'; DROP", since=NOW), named(["'; DROP"])):
        assert "DROP" not in question.sql


def test_only_what_is_an_alert_is_one() -> None:
    """The golden alert is read; rates, nonsense and nothing are none."""
    assert alert_in(EXAMPLE.read_bytes()) == an_alert()
    rates = (EXAMPLE.parent / "burnline.rates.v1.json").read_bytes()
    assert CloudSignal.model_validate_json(rates).type == "burnline.rates.v1"
    assert [alert_in(raw) for raw in (rates, b"{", b"")] == [None] * 3


def test_the_routes_of_the_page_are_routes() -> None:
    """What `docs/notifier.md` shows can be applied as it stands."""
    page = (EXAMPLE.parents[2] / "docs" / "notifier.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    routes = read_policies([PolicyFile("routes.toml", text.encode())])
    assert [route.id for route in routes] == ["on-call", "team-code", "owner-dana"]


def test_only_enabled_routes_are_in_force() -> None:
    """A route that is switched off is as one that is not there."""
    routes = (a_route("on"), a_route("off", enabled=False))
    change = PolicyChange(change_id="c", actor="dana", at="2026-11-22T09:00:00Z", files=(), sets=routes)
    assert list(routes_in(fold({}, change, offset=0))) == [("acme", "on")]
