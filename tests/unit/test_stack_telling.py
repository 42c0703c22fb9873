"""How the notifier stands: what it is through with, which routes take nothing; and the collector where there is one."""

from dataclasses import replace
from datetime import timedelta

from deploy.stack.status_rules import Component, Seen, status_of
from deploy.stack.telling import ALERTS, LOG, dead_routes
from deploy.stack.watchdog_rules import Look, Watched, step
from schemas.deliveries import DeliveryStatus, Said
from sinks.notifier.unheard import GONE
from tests.notifier_world import NOW
from tests.unit.test_stack_rules import healthy, said


def status(delivery: str, state: str, *, route: str = "pager", attempts: int = 1, reason: str = "") -> bytes:
    """A word on a delivery as it stands in the log."""
    one = DeliveryStatus.model_validate(
        {
            "delivery_id": f"{delivery}/1/{route}", "org": "acme", "route": route, "destination": "webhook",
            "alert_id": delivery, "seq": 1, "topic": "alerts.budgets", "partition": 0, "offset": 0, "status": state,
            "attempts": attempts, "reason": reason, "at": NOW,
        }
    )  # fmt: skip
    return Said(data=one).model_dump_json().encode()


def gone() -> bytes:
    """A route was taken away while it failed."""
    return status("d", "parked", reason=GONE)


def notifier(seen: Seen) -> Component:
    """The notifier's part of the status."""
    return next(one for one in status_of(seen).components if one.name == "notifier")


def test_a_route_is_dead_while_its_newest_word_is_a_failure() -> None:
    """Two deliveries offered in vain are told with the newest reason; only one that is taken ends it, or a day."""
    words = [
        status("a", "waiting", reason="HTTP 503"),
        status("b", "delivered", route="mail"),
        status("a", "waiting", attempts=2, reason="HTTP 502"),
        status("b", "waiting", attempts=1, reason="HTTP 502"),
    ]
    [found] = dead_routes(words, now=NOW)
    assert str(found) == "route acme/pager takes nothing (HTTP 502; 3 attempts), 2 deliveries wait"
    assert dead_routes([*words, status("a", "delivered")], now=NOW) == []
    words += [status("b", "parked", attempts=2, reason="HTTP 403"), status("c", "parked", attempts=0), gone()]
    [found] = dead_routes(words, now=NOW)
    assert str(found) == (
        "route acme/pager takes nothing (HTTP 403; 4 attempts), a delivery waits,"
        " 1 parked: burnline alerts resend --route pager"
    )
    assert dead_routes(words, now=NOW + timedelta(days=1)) == []
    assert dead_routes([gone()], now=NOW) == []


def test_a_dead_route_degrades_the_notifier_alone() -> None:
    """It is named, with what waits; nobody else is worse for it."""
    seen = healthy()
    place = ("notifier", *ALERTS[0])
    held = {**(seen.said or {}), place: said(place, 4, ago_sec=600)}
    found = dead_routes([status("a", "waiting", reason="HTTP 503")], now=NOW)
    now = replace(seen, said=held, dead_routes=found)
    assert (notifier(now).health, notifier(now).lag, notifier(now).dead_routes) == ("degraded", 6, 1)
    assert notifier(now).why == "route acme/pager takes nothing (HTTP 503; 1 attempts), a delivery waits"
    assert [one.name for one in status_of(now).components if one.health != "ok"] == ["notifier"]


def test_a_silent_notifier_is_degraded() -> None:
    """It speaks each 5 s; 16 s of silence is named, though nothing waits."""
    seen = healthy()
    quiet = replace(seen, said={**(seen.said or {}), ("notifier", *LOG): said(("notifier", *LOG), 10, ago_sec=16)})
    assert notifier(quiet).why == "has said nothing on internal.deliveries/0 for 16 s"


def test_a_notifier_that_holds_positions_for_a_dead_route_is_not_hung() -> None:
    """Its sign of life is its word in its own log; without a new one it is killed while Kafka is well."""
    before = {"notifier": Watched(7, "5", 0.0, spoken=True)}
    well = frozenset({"kafka"})
    _, hung = step(before, {"notifier": Look(7, "6")}, well=well, now_sec=60, hang_sec=20)
    assert hung == []
    _, hung = step(before, {"notifier": Look(7, "5")}, well=well, now_sec=60, hang_sec=20)
    assert hung == ["notifier"]


def test_a_collector_is_a_part_where_there_is_one() -> None:
    """Absent, it is no part; there and silent, the stack is down."""
    seen = healthy()
    assert "collector" not in [one.name for one in status_of(seen).components]
    silent = status_of(replace(seen, collects=True, collector_reason="no answer from 127.0.0.1:8126"))
    assert (silent.health, silent.components[-1].name, silent.components[-1].health) == ("down", "collector", "down")
