"""What was told of each episode so far, so that who heard of it hears how it goes on. Pure.

A transition that notifies goes where its conditions say, and where those of an earlier one of its episode said: when a
page has gone to another owner, the first is told, too, that it is over. Only transitions before it count, so that
what is read again goes to whom it went the first time.
"""

from schemas.routes import Route
from schemas.signals import Alert
from sinks.notifier.routing import Routes, matches, routes_for

MOST_EPISODES = 20_000
"""The oldest is forgotten then: its end goes only where its own conditions say."""


class Episodes:
    """Remembers of each episode one transition for each way in which routes may tell its transitions apart."""

    def __init__(self) -> None:
        self._told: dict[str, list[Alert]] = {}

    def take(self, alert: Alert) -> None:
        """The transition is one of its episode's; once is as good as twice."""
        if not alert.notify:
            return
        told = self._told.setdefault(alert.alert_id, [])
        if not any(one.seq <= alert.seq and _ways(one) == _ways(alert) for one in told):
            told.append(alert)
        if len(self._told) > MOST_EPISODES:
            del self._told[next(iter(self._told))]

    def routes_for(self, routes: Routes, alert: Alert) -> list[Route]:
        """The routes that the transition goes to, in the order of their names."""
        if not alert.notify:
            return []
        found = {(one.org, one.id): one for one in routes_for(routes, alert)}
        for earlier in self._told.get(alert.alert_id, []):
            if earlier.seq < alert.seq:
                as_then = earlier.model_copy(update={"status": alert.status, "resolved_at": alert.resolved_at})
                found |= {key: one for key, one in routes.items() if key not in found and matches(one, as_then)}
        return [found[key] for key in sorted(found)]


def _ways(alert: Alert) -> tuple[object, ...]:
    """What conditions of routes ask for and may change within an episode."""
    return alert.owner, alert.severity, tuple(sorted(alert.labels.items()))
