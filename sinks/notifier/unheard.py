"""Routes by which the last attempt reached nobody: told until one does, or for a day. Pure.

What is parked waits for nobody any more; but a route that refuses all (a key that was withdrawn, a host that is not
allowed) must not look well for it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from schemas.deliveries import DeliveryStatus
from sinks.notifier.routing import RouteKey

GONE = "the route is no longer in force"
TOLD_FOR = timedelta(days=1)


def is_attempt(said: DeliveryStatus) -> bool:
    """Whether it says something of the route: what was parked without an attempt does not."""
    return said.attempts > 0 and said.reason != GONE


def is_old(said: DeliveryStatus, *, now: datetime) -> bool:
    """Whether nobody needs to be told of it any more."""
    return said.status == "parked" and now - said.at >= TOLD_FOR


class Unheard:
    """Of each route whose last attempt was parked that word, and the first of a day of such."""

    def __init__(self) -> None:
        self._first: dict[RouteKey, tuple[int, datetime]] = {}
        self._last: dict[RouteKey, DeliveryStatus] = {}

    def take(self, said: DeliveryStatus, *, offset: int) -> None:
        """The next word of the log."""
        key = said.org, said.route
        if not is_attempt(said):
            return
        _, since = self._first.get(key, (offset, said.at))
        if said.status != "parked":
            self._first.pop(key, None)
        elif key not in self._first or said.at - since >= TOLD_FOR:
            self._first[key] = offset, said.at
        self._last[key] = said

    def first(self, routes: Collection[RouteKey], *, now: datetime) -> int | None:
        """From where on the log is to be read to know them; None: there is none among these routes."""
        self._first = {
            key: at for key, at in self._first.items() if key in routes and not is_old(self._last[key], now=now)
        }
        self._last = {key: self._last[key] for key in self._first}
        return min((offset for offset, _ in self._first.values()), default=None)
