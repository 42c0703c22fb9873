"""What is asked for again is told once more, however often one asks before it is told."""

from datetime import timedelta

from deploy.resending import LATELY, requests_for, was_told_lately
from schemas.deliveries import Asked, Said
from sinks.notifier.queues import Outcome
from sinks.notifier.standing import standing
from tests.notifier_world import NOW, an_alert
from tests.unit.test_notifier_standing import KEY, PLACE, a_desk, asked, parked


def test_requests_go_in_the_order_of_the_log() -> None:
    """The view shows the newest first; an end never goes before its begin."""
    rows = [dict(parked()) | {"seq": seq, "offset": seq} for seq in (10, 9, 2)]
    assert [one.offset for one in requests_for(rows, actor="dana", now=NOW)] == [2, 9, 10]


def test_who_asks_twice_is_told_once() -> None:
    """While it waits, and when it was told but the view does not say so yet; a newer word can be asked about anew."""
    desk, told = a_desk(), []
    for request in (asked(), asked()):
        desk.ask(request, an_alert(), now=NOW)
    while desk.departures(now=NOW):
        told.append(desk.came(KEY, Outcome("done"), now=NOW))
    desk.ask(asked(), an_alert(), now=NOW)
    assert ([one.request_id for one in told], desk.is_idle) == ([asked().request_id], True)
    log = [Asked(data=asked()), Said(data=told[0]), Asked(data=asked())]
    assert standing([one.model_dump_json().encode() for one in log], {}).open == ()
    later = dict(told[0]) | {"at": NOW + timedelta(microseconds=1)}
    desk.ask(requests_for([later], actor="dana", now=NOW)[0], an_alert(), now=NOW)
    assert len(desk.departures(now=NOW)) == 1


def test_what_waits_anyway_is_not_asked_for() -> None:
    """A route that is tried again tells it once, and its word answers the request also for a later life."""
    desk = a_desk()
    desk.take(an_alert(), place=PLACE, now=NOW)
    assert desk.ask(asked(), an_alert(), now=NOW) == []
    desk.departures(now=NOW)
    word = desk.came(KEY, Outcome("done"), now=NOW)
    assert (word.status, desk.is_idle) == ("delivered", True)
    log = [Asked(data=asked()), Said(data=word)]
    assert standing([one.model_dump_json().encode() for one in log], {}).open == ()


def test_an_answered_request_is_known_for_ten_minutes() -> None:
    """Then the view has long said what came of it, and the notifier remembers no more of it."""
    desk = a_desk()
    desk.ask(asked(), an_alert(), now=NOW)
    desk.departures(now=NOW)
    desk.came(KEY, Outcome("done"), now=NOW)
    for seconds, departs in ((599, 0), (600, 1)):
        now = NOW + timedelta(seconds=seconds)
        desk.overdue(now=now)
        desk.ask(asked(), an_alert(), now=now)
        assert len(desk.departures(now=now)) == departs


def test_what_was_delivered_lately_is_told_again_to_who_insists() -> None:
    """For ten minutes; what was parked or waits was not delivered. The driver's times have no zone."""
    row = dict(parked()) | {"status": "delivered", "at": NOW.replace(tzinfo=None)}
    for after, lately in ((LATELY - timedelta(microseconds=1), True), (LATELY, False)):
        assert was_told_lately(row, now=NOW + after) == lately
    assert not was_told_lately(dict(parked()), now=NOW)
    aware = row | {"at": NOW}
    ids = {requests_for([one], actor="dana", now=NOW)[0].request_id for one in (row, aware)}
    assert len(ids) == 1
