"""How the notifier stands, from its own log: what alerts it is through with, which routes take nothing. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from deploy.stack.position_rules import Place
from schemas.deliveries import TOPIC as DELIVERIES
from schemas.deliveries import DeliveryStatus
from schemas.topics import TOPICS
from sinks.notifier.standing import said_in
from sinks.notifier.unheard import is_attempt, is_old

NOTIFIER = "notifier"
LOG: Place = (DELIVERIES, 0)
"""Where it speaks every 5 s, whatever there is to tell; its position there is before all that still waits."""
ALERTS: tuple[Place, ...] = tuple((topic.name, 0) for topic in TOPICS if topic.name.startswith("alerts."))
MOST_SAID = 20_000
"""So many words on deliveries are looked at; the newest ones."""


@dataclass(frozen=True)
class DeadRoute:
    """A route whose last attempt failed: how many deliveries it was offered in vain, since when, why the last one.

    `parked`: how many of those are no longer tried, so that somebody has to ask for them again.
    """

    org: str
    route: str
    waiting: int
    parked: int
    attempts: int
    since: datetime
    reason: str

    def __str__(self) -> str:
        """As a person reads it."""
        several = f"{self.waiting:,} deliveries wait" if self.waiting > 1 else "a delivery waits"
        said = [several] if self.waiting else []
        said += [f"{self.parked:,} parked: burnline alerts resend --route {self.route}"] if self.parked else []
        held = ", ".join(said)
        return f"route {self.org}/{self.route} takes nothing ({self.reason}; {self.attempts} attempts), {held}"


def dead_routes(values: Iterable[bytes], *, now: datetime) -> list[DeadRoute]:
    """The routes whose newest word is that an attempt failed, by name; from records of the log in order.

    One that refuses is told of for a day, or until it takes something.
    """
    newest: dict[str, DeliveryStatus] = {}
    first: dict[str, datetime] = {}
    last_of: dict[tuple[str, str], DeliveryStatus] = {}
    for value in values:
        said = said_in(value)
        if isinstance(said, DeliveryStatus) and is_attempt(said):
            newest[said.delivery_id] = last_of[said.org, said.route] = said
            first.setdefault(said.delivery_id, said.at)
    found = []
    for (org, route), last in sorted(last_of.items()):
        if last.status != "delivered" and not is_old(last, now=now):
            mine = [one for one in newest.values() if (one.org, one.route) == (org, route)]
            vain = [one for one in mine if one.status != "delivered"]
            since = min(first[one.delivery_id] for one in vain)
            waiting = sum(one.status == "waiting" for one in vain)
            attempts = sum(one.attempts for one in vain)
            found.append(DeadRoute(org, route, waiting, len(vain) - waiting, attempts, since, last.reason))
    return found
