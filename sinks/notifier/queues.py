"""The queue of one route: what waits, what is on its way, when it is tried again. Pure; `now` is an argument.

Laws
1. What was added is waiting until it is delivered or parked, and then it is gone: nothing is lost, nothing twice.
2. Of one alert, transitions go in order. Else the least tried goes first, so that one that fails for ever (a receiver
   that chokes on it) holds nobody else up.
3. The route is what backs off, not the delivery: a dead one is asked once per wait, whatever waits there.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.signals import Alert
from sinks.notifier.routing import RouteKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a route is waited for, how much may wait there, and after how long without an answer it fails."""

    first_wait_sec: float = 1.0
    longest_wait_sec: float = 300.0
    give_up_sec: float = 14_400.0
    most_waiting: int = 1000
    slow_sec: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One transition on its way to one route, and what was told of its episode before.

    `request_id` names who asked for it again.
    """

    delivery_id: str
    route: RouteKey
    destination: str
    alert: Alert
    place: tuple[str, int, int]
    taken_at: datetime
    earlier: tuple[Alert, ...] = ()
    attempts: int = 0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: done, to be tried again (not before `wait_sec`, if the receiver said so), or refused."""

    kind: Literal["done", "again", "refused"]
    reason: str = ""
    wait_sec: float | None = None


@dataclass(frozen=True, slots=True)
class RouteQueue:
    """What waits for a route, oldest first; `flying` is the position in it of what is on its way now."""

    waiting: tuple[Delivery, ...] = ()
    flying: Delivery | None = None
    flying_since: datetime | None = None
    failures: int = 0
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery that waits no longer, and how it ended."""

    delivery: Delivery
    status: Literal["delivered", "parked"]
    reason: str


def added(queue: RouteQueue, delivery: Delivery) -> RouteQueue:
    """The queue with the delivery at its end."""
    return replace(queue, waiting=(*queue.waiting, delivery))


def is_failing(queue: RouteQueue, *, now: datetime, limits: Limits) -> bool:
    """Whether the route's last answer was none, or its next one is long in coming."""
    slow_since = now - timedelta(seconds=limits.slow_sec)
    return queue.failures > 0 or (queue.flying_since is not None and queue.flying_since <= slow_since)


def is_full(queue: RouteQueue, *, now: datetime, limits: Limits) -> bool:
    """Whether what comes is put aside for a route: it works, and has enough to do. A failing one parks its oldest."""
    return len(queue.waiting) >= limits.most_waiting and not is_failing(queue, now=now, limits=limits)


def due(queue: RouteQueue, *, now: datetime) -> Delivery | None:
    """What is to be sent now, if anything."""
    if queue.flying is not None or (queue.not_before is not None and now < queue.not_before):
        return None
    first: dict[str, Delivery] = {}
    for one in queue.waiting:
        first.setdefault(one.alert.alert_id, one)
    return min(first.values(), key=lambda one: one.attempts, default=None)


def sent(queue: RouteQueue, delivery: Delivery, *, now: datetime) -> RouteQueue:
    """The queue while the delivery, one of those that wait, is on its way."""
    return replace(queue, flying=delivery, flying_since=now)


def after(
    queue: RouteQueue, outcome: Outcome, *, now: datetime, limits: Limits
) -> tuple[RouteQueue, Settled | Delivery]:
    """The queue after what was on its way came to something; and that: settled, or with one attempt more."""
    tried = queue.flying
    if tried is None:
        raise ValueError("nothing was on its way")
    again = replace(tried, attempts=tried.attempts + 1)
    if outcome.kind == "again":
        failures = queue.failures + 1
        until = now + timedelta(seconds=wait_sec(failures, asked_sec=outcome.wait_sec, limits=limits))
        waiting = tuple(again if one is tried else one for one in queue.waiting)
        return RouteQueue(waiting, failures=failures, not_before=until), again
    waiting = tuple(one for one in queue.waiting if one is not tried)
    status: Literal["delivered", "parked"] = "delivered" if outcome.kind == "done" else "parked"
    return RouteQueue(waiting), Settled(again, status, outcome.reason)


def wait_sec(failures: int, *, asked_sec: float | None, limits: Limits) -> float:
    """How long the route is left alone after so many failures in a row: twice as long each time, up to the longest."""
    own = min(limits.first_wait_sec * 2.0 ** min(failures - 1, 60), limits.longest_wait_sec)
    return min(max(own, asked_sec or 0.0), limits.longest_wait_sec)


def given_up(queue: RouteQueue, *, now: datetime, limits: Limits) -> tuple[RouteQueue, list[Settled]]:
    """The queue without what waited too long for a route that fails, and without the oldest of what is too much."""
    if not is_failing(queue, now=now, limits=limits):
        return queue, []
    patient_since = now - timedelta(seconds=limits.give_up_sec)
    too_many = len(queue.waiting) - limits.most_waiting
    kept: list[Delivery] = []
    parked: list[Settled] = []
    for one in queue.waiting:
        if one is queue.flying:
            kept.append(one)
        elif one.taken_at <= patient_since:
            parked.append(Settled(one, "parked", f"the route failed for {limits.give_up_sec:g} s"))
        elif len(parked) < too_many:
            parked.append(Settled(one, "parked", f"more than {limits.most_waiting:,} waited for a route that fails"))
        else:
            kept.append(one)
    return replace(queue, waiting=tuple(kept)), parked
