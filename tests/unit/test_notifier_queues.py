"""A route's queue at its boundaries: back-off, giving up, too much, order."""

from datetime import timedelta

import pytest

from sinks.notifier.outgoing import judged
from sinks.notifier.queues import (
    Delivery,
    Limits,
    Outcome,
    RouteQueue,
    added,
    after,
    due,
    given_up,
    is_full,
    sent,
    wait_sec,
)
from tests.notifier_world import NOW, an_alert

LIMITS = Limits(first_wait_sec=1, longest_wait_sec=60, give_up_sec=100, most_waiting=2)
AGAIN = Outcome("again", "HTTP 503")


def delivery(alert_id: str = "a", seq: int = 1) -> Delivery:
    """A transition that waits since NOW."""
    return Delivery(
        delivery_id=f"{alert_id}/{seq}/r", route=("acme", "r"), destination="webhook",
        alert=an_alert(alert_id=alert_id, seq=seq), place=("alerts.budgets", 0, 0), taken_at=NOW,
    )  # fmt: skip


def queue_of(*waiting: Delivery) -> RouteQueue:
    """A queue in which these wait."""
    made = RouteQueue()
    for one in waiting:
        made = added(made, one)
    return made


def test_waits_double_up_to_the_longest() -> None:
    """1 s, 2 s, 4 s ... and never more than the longest, whatever the receiver asks for."""
    assert [wait_sec(failures, asked_sec=None, limits=LIMITS) for failures in (1, 2, 6, 7, 5000)] == [1, 2, 32, 60, 60]
    assert [wait_sec(1, asked_sec=asked, limits=LIMITS) for asked in (0.0, 30.0, 1e9)] == [1, 30, 60]


def test_a_route_that_failed_is_left_alone_until_its_wait_is_over() -> None:
    """Nothing is due within the wait, not even something new; at its end the next is."""
    tried = delivery("a")
    queue, _ = after(sent(queue_of(tried), tried, now=NOW), AGAIN, now=NOW, limits=LIMITS)
    queue = added(queue, delivery("b"))
    assert due(queue, now=NOW + timedelta(seconds=0.999)) is None
    found = due(queue, now=NOW + timedelta(seconds=1))
    assert found is not None
    assert found.delivery_id == "b/1/r"  # the least tried first


def test_of_one_alert_the_earlier_goes_first() -> None:
    """A resolve never overtakes the firing that it ends, though it was never tried."""
    firing, resolve = delivery("a", 1), delivery("a", 2)
    queue, _ = after(sent(queue_of(firing, resolve), firing, now=NOW), AGAIN, now=NOW, limits=LIMITS)
    found = due(queue, now=NOW + timedelta(seconds=1))
    assert found is not None
    assert (found.alert.seq, found.attempts) == (1, 1)


def test_one_at_a_time_is_on_its_way() -> None:
    """While one is on its way nothing else is due."""
    one = delivery("a")
    assert due(sent(queue_of(one, delivery("b")), one, now=NOW), now=NOW) is None


def test_a_failing_route_gives_up_what_waited_too_long() -> None:
    """99.9 s wait, 100 s are parked; a route that works gives nothing up."""
    failing = RouteQueue((delivery("a"),), failures=3)
    for seconds, parked in ((99.9, 0), (100, 1)):
        left, given = given_up(failing, now=NOW + timedelta(seconds=seconds), limits=LIMITS)
        assert (len(left.waiting), len(given)) == (1 - parked, parked)
    assert given_up(queue_of(delivery()), now=NOW + timedelta(days=1), limits=LIMITS)[1] == []


def test_too_much_for_a_failing_route_parks_the_oldest_but_what_is_on_its_way() -> None:
    """Two may wait; of four the oldest two that are not on their way are parked, and what is left keeps its order."""
    waiting = [delivery(name) for name in "abcd"]
    queue = RouteQueue(tuple(waiting), flying=waiting[0], failures=1)
    left, parked = given_up(queue, now=NOW, limits=LIMITS)
    assert [one.alert.alert_id for one in left.waiting] == ["a", "d"]
    assert [one.delivery.alert.alert_id for one in parked] == ["b", "c"]


def test_only_a_route_that_works_makes_reading_wait() -> None:
    """Two waiting at a healthy route is full; one that fails or hangs is never waited for."""
    waiting = (delivery("a"), delivery("b"))
    hanging = sent(RouteQueue(waiting), waiting[0], now=NOW)
    assert is_full(RouteQueue(waiting), now=NOW, limits=LIMITS)
    assert not is_full(RouteQueue(waiting[:1]), now=NOW, limits=LIMITS)
    assert not is_full(RouteQueue(waiting, failures=1), now=NOW, limits=LIMITS)
    for seconds, full in ((29.9, True), (30, False)):
        assert is_full(hanging, now=NOW + timedelta(seconds=seconds), limits=LIMITS) is full


def test_nothing_comes_of_what_was_not_sent() -> None:
    """An outcome without a delivery on its way is a fault of ours."""
    with pytest.raises(ValueError, match="on its way"):
        after(queue_of(delivery()), AGAIN, now=NOW, limits=LIMITS)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, "done"), (202, "done"), (299, "done"), (301, "refused"), (307, "refused"), (400, "refused"),
     (404, "refused"), (408, "again"), (425, "again"), (429, "again"), (499, "refused"),
     (500, "again"), (503, "again")],
)  # fmt: skip
def test_a_status_is_done_again_or_refused(status: int, kind: str) -> None:
    """What may mend is tried again; a redirect is not followed; the rest is parked."""
    assert judged(status).kind == kind


@pytest.mark.parametrize(
    ("text", "seconds"), [("17", 17.0), ("-1", None), ("soon", None), ("\u0663", None), ("", None)]
)
def test_retry_after_is_heeded_where_it_is_seconds(text: str, seconds: float | None) -> None:
    """A number of seconds is heeded; a date or nonsense is not."""
    assert judged(429, retry_after=text).wait_sec == seconds
