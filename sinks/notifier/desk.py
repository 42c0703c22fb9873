"""All routes' queues together: what comes in, what goes out, what is settled. Pure; `now` is an argument.

Laws
1. Every transition with `notify` reaches the queue of each matching route exactly once in the life of the log: what
   an earlier life settled is not delivered again unless somebody asks for it. Within a life each is taken once.
2. No route waits for another. One that works, but slower than alerts come, is put aside: what is too much for it is
   read again from the log, for it alone, when it has room. Nobody else notices.
3. `position` never passes an alert that some route still waits for, or that was put aside.
4. What is held does not grow with what was told: at most `most_waiting` and what came with one look for each route,
   what earlier lives told behind the position, and of episodes what `episodes.py` keeps. The rest stands on topics.
Long because every field of a status is spelled out here.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from schemas.deliveries import DeliveryStatus, Resend, delivery_id
from schemas.routes import Route
from schemas.signals import Alert
from sinks.notifier.episodes import Episodes
from sinks.notifier.queues import (
    Delivery,
    Limits,
    Outcome,
    RouteQueue,
    Settled,
    added,
    after,
    due,
    given_up,
    is_full,
    sent,
)
from sinks.notifier.routing import RouteKey, Routes
from sinks.notifier.unheard import GONE

_KEEP_STATE = frozenset({"alertmanager", "pagerduty"})
"""What was said last stands there: an earlier transition, told again behind its successor, would undo it."""

_ANSWERED_FOR = timedelta(minutes=10)
"""So long an answered request is known: who asks for the same meanwhile has not seen the answer yet."""

Partition = tuple[str, int]
"""(topic, partition)"""


class Desk:
    """Takes alerts and requests, says what is to be sent; told what came of it, says what to record."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._settled: set[str] = set()  # by earlier lives, and not met again yet
        self._routes: Routes = {}
        self._answered: dict[str, datetime] = {}  # requests, the oldest first
        self._episodes = Episodes()
        self._queues: dict[RouteKey, RouteQueue] = {}
        self._aside: dict[RouteKey, dict[Partition, int]] = {}  # from which offset on it is to be read again

    @property
    def queues(self) -> Mapping[RouteKey, RouteQueue]:
        """What waits, by route."""
        return self._queues

    @property
    def routes(self) -> Collection[RouteKey]:
        """What is in force."""
        return self._routes.keys()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits anywhere."""
        return not self.is_behind and not any(queue.waiting for queue in self._queues.values())

    @property
    def is_behind(self) -> bool:
        """Whether some route was put aside and has not caught up, be there room or not."""
        return bool(self._aside)

    @property
    def is_asked(self) -> bool:
        """Whether something waits because somebody asked for it again."""
        return any(one.request_id for queue in self._queues.values() for one in queue.waiting)

    @property
    def in_flight(self) -> int:
        """How many deliveries are on their way."""
        return sum(queue.flying is not None for queue in self._queues.values())

    def remember(self, settled: Iterable[str]) -> None:
        """These deliveries were settled by an earlier life."""
        self._settled.update(settled)

    def recall(self, alert: Alert) -> None:
        """An earlier life has told this transition."""
        self._episodes.take(alert)

    def use(self, routes: Routes) -> None:
        """From now on these routes are in force; one that was changed is tried at once."""
        for key, queue in self._queues.items():
            if routes.get(key) != self._routes.get(key):
                self._queues[key] = replace(queue, failures=0, not_before=None)
        self._routes = dict(routes)

    def take(self, alert: Alert, *, place: tuple[str, int, int], now: datetime) -> None:
        """The transition waits at every route that it goes to and has not reached."""
        self._episodes.take(alert)
        for route in self._episodes.routes_for(self._routes, alert):
            aside = self._aside.get((route.org, route.id), {})
            # Behind what was put aside before, so that transitions of one alert stay in order.
            if place[:2] not in aside and not self._took(route, alert, place=place, now=now):
                self._aside.setdefault((route.org, route.id), {})[place[:2]] = place[2]

    def _took(self, route: Route, alert: Alert, *, place: tuple[str, int, int], now: datetime) -> bool:
        """Whether the transition has reached the route or waits there now; False: there is no room."""
        name = delivery_id(alert.alert_id, alert.seq, route.id)
        if name in self._settled:
            self._settled.remove(name)
            return True
        if is_full(self._queue(route), now=now, limits=self._limits):
            return False
        self._add(self._delivery(route, alert, place=place, now=now))
        return True

    def _queue(self, route: Route) -> RouteQueue:
        return self._queues.get((route.org, route.id), RouteQueue())

    def behind(self) -> list[tuple[RouteKey, Partition, int]]:
        """Who has room again for what was put aside, and from where on that is to be read: `catch_up` takes it."""
        found = []
        for key, partitions in self._aside.items():
            if 2 * len(self._queues.get(key, RouteQueue()).waiting) <= self._limits.most_waiting:
                found += [(key, *one) for one in list(partitions.items())[:1]]
        return found

    def catch_up(
        self, key: RouteKey, partition: Partition, alerts: Iterable[tuple[int, Alert]], *, until: int, now: datetime
    ) -> int:
        """Where the route stands now: these, all up to `until` by offset, wait there, or as many as it has room for."""
        stands = until
        for offset, alert in alerts:
            routes = self._episodes.routes_for(self._routes, alert)
            whose = [route for route in routes if (route.org, route.id) == key]
            if not all(self._took(route, alert, place=(*partition, offset), now=now) for route in whose):
                stands = offset
                break
        self._aside[key][partition] = stands
        return stands

    def caught_up(self, key: RouteKey, partition: Partition) -> None:
        """The route stands in the partition where everybody does."""
        del self._aside[key][partition]
        if not self._aside[key]:
            del self._aside[key]

    def ask(self, request: Resend, alert: Alert | None, *, now: datetime) -> list[DeliveryStatus]:
        """What was asked for waits at its route once more; where that cannot be, the status that says why.

        What waits there anyway is not told twice, and no request is answered twice.
        """
        route = self._routes.get((request.org, request.route))
        place = (request.topic, request.partition, request.offset)
        if alert is None or delivery_id(alert.alert_id, alert.seq, request.route) != request.delivery_id:
            return [_unfound(request, "the alert is no longer where it stood", now=now)]
        if route is None or alert.org != request.org:
            return [_unfound(request, GONE, now=now)]
        newest = self._episodes.newest(alert.alert_id)
        if route.destination in _KEEP_STATE and newest > alert.seq:
            return [_unfound(request, f"its episode went on: transition {newest} says how it stands", now=now)]
        queue = self._queue(route)
        if request.request_id in self._answered or any(one.delivery_id == request.delivery_id for one in queue.waiting):
            return []
        waiting = len(queue.waiting)
        if waiting >= 2 * self._limits.most_waiting:
            return [_unfound(request, f"{waiting:,} wait for the route: ask again when they are told", now=now)]
        self._add(self._delivery(route, alert, place=place, now=now, request_id=request.request_id))
        return []

    def _delivery(
        self, route: Route, alert: Alert, *, place: tuple[str, int, int], now: datetime, request_id: str = ""
    ) -> Delivery:
        return Delivery(
            delivery_id=delivery_id(alert.alert_id, alert.seq, route.id),
            route=(route.org, route.id),
            destination=route.destination,
            alert=alert,
            place=place,
            taken_at=now,
            earlier=self._episodes.earlier(alert),
            request_id=request_id,
        )

    def _add(self, delivery: Delivery) -> None:
        self._queues[delivery.route] = added(self._queues.get(delivery.route, RouteQueue()), delivery)

    def departures(self, *, now: datetime) -> list[tuple[Route, Delivery]]:
        """What is to be sent now, at most one to each route; it is on its way from here on."""
        found = []
        for key, queue in self._queues.items():
            route = self._routes.get(key)
            delivery = due(queue, now=now) if route is not None else None
            if route is not None and delivery is not None:
                self._queues[key] = sent(queue, delivery, now=now)
                found.append((route, delivery))
        return found

    def came(self, key: RouteKey, outcome: Outcome, *, now: datetime) -> DeliveryStatus:
        """What to record of the delivery that was on its way to the route."""
        self._queues[key], result = after(self._queues[key], outcome, now=now, limits=self._limits)
        if isinstance(result, Settled):
            return self._settle(result, now=now)
        return _status(result, "waiting", outcome.reason, now=now)

    def overdue(self, *, now: datetime) -> list[DeliveryStatus]:
        """What waits no longer because its route is gone or failed too long: parked, to be asked for again."""
        said = []
        for key, queue in list(self._queues.items()):
            if key not in self._routes:
                left, parked = _retired(queue)
            else:
                left, parked = given_up(queue, now=now, limits=self._limits)
            self._queues[key] = left
            said += [self._settle(one, now=now) for one in parked]
            if not left.waiting and key not in self._routes:
                del self._queues[key]
        self._aside = {key: partitions for key, partitions in self._aside.items() if key in self._routes}
        while self._answered and now - next(iter(self._answered.values())) >= _ANSWERED_FOR:
            del self._answered[next(iter(self._answered))]
        return said

    def _settle(self, one: Settled, *, now: datetime) -> DeliveryStatus:
        if one.delivery.request_id:
            self._answered[one.delivery.request_id] = now
        return _status(one.delivery, one.status, one.reason, now=now)

    def position(self, topic: str, partition: int, *, read: int) -> int:
        """Up to where the partition is done with, read up to `read`."""
        places = [one.place for queue in self._queues.values() for one in queue.waiting if not one.request_id]
        here = (topic, partition)
        aside = [partitions[here] for partitions in self._aside.values() if here in partitions]
        return min([read, *aside, *(offset for at, part, offset in places if (at, part) == here)])


def _retired(queue: RouteQueue) -> tuple[RouteQueue, list[Settled]]:
    """The queue of a route that is gone: what is on its way may still arrive."""
    gone = [one for one in queue.waiting if one is not queue.flying]
    kept = tuple(one for one in queue.waiting if one is queue.flying)
    return replace(queue, waiting=kept), [Settled(one, "parked", GONE) for one in gone]


def _status(one: Delivery, status: str, reason: str, *, now: datetime) -> DeliveryStatus:
    topic, partition, offset = one.place
    return DeliveryStatus.model_validate(
        {
            "delivery_id": one.delivery_id,
            "org": one.route[0],
            "route": one.route[1],
            "destination": one.destination,
            "alert_id": one.alert.alert_id,
            "seq": one.alert.seq,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "status": status,
            "attempts": one.attempts,
            "reason": reason[:300],
            "at": now,
            "request_id": one.request_id,
        }
    )


def _unfound(request: Resend, reason: str, *, now: datetime) -> DeliveryStatus:
    alert_id, seq, _ = (*request.delivery_id.split("/", 2), "", "")[:3]
    return DeliveryStatus(
        delivery_id=request.delivery_id,
        org=request.org,
        route=request.route,
        destination="",
        alert_id=alert_id,
        seq=int(seq) if seq.isdecimal() else 0,
        topic=request.topic,
        partition=request.partition,
        offset=request.offset,
        status="parked",
        attempts=0,
        reason=reason,
        at=now,
        request_id=request.request_id,
    )
