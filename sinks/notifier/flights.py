"""Deliveries on their way, each in a thread of its own, so that a receiver that hangs holds up only its own route."""

import queue
import threading
import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from schemas.routes import Route
from schemas.signals import Alert
from sinks.notifier.queues import Delivery, Outcome
from sinks.notifier.routing import RouteKey
from sinks.numbers import DELIVERIES, DELIVERY

Deliver = Callable[[Route, Alert, tuple[Alert, ...]], Outcome]
"""The route, the transition, and what was told of its episode before."""


class Flights:
    """Starts deliveries and gathers what came of them; threads end with the process."""

    def __init__(self, deliver: Deliver, log: FilteringBoundLogger) -> None:
        self._deliver = deliver
        self._log = log
        self._landed: queue.SimpleQueue[tuple[RouteKey, Outcome]] = queue.SimpleQueue()

    def start(self, route: Route, delivery: Delivery) -> None:
        """The delivery is on its way; `landed` will say what came of it."""

        def fly() -> None:
            began_sec = time.monotonic()
            try:
                outcome = self._deliver(route, delivery.alert, delivery.earlier)
            except Exception as error:  # noqa: BLE001  a thread's end must not be silent: the delivery is parked
                # The sentence of a foreign error may hold what was sent, and so a secret: its kind must do.
                self._log.error("a delivery failed by a fault of ours", error=type(error).__name__)
                outcome = Outcome("refused", f"a fault of ours: {type(error).__name__}")
            DELIVERY.took(time.monotonic() - began_sec, route.destination)
            DELIVERIES.add(1, route.destination, outcome.kind)
            self._landed.put((delivery.route, outcome))

        threading.Thread(target=fly, name=f"deliver-{route.id}"[:15], daemon=True).start()

    def landed(self, *, wait_sec: float = 0.0) -> list[tuple[RouteKey, Outcome]]:
        """What came since last asked; waits for the first."""
        found = []
        try:
            found.append(self._landed.get(timeout=wait_sec) if wait_sec else self._landed.get_nowait())
            while True:
                found.append(self._landed.get_nowait())
        except queue.Empty:
            return found
