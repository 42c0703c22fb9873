"""What was told of each episode so far, so that who heard of it hears how it goes on. Pure.

A transition that notifies goes where its conditions say, and where those of an earlier one of its episode said: when a
page has gone to another owner, the first is told, too, that it is over. Only transitions before it count, so that
what is read again goes to whom it went the first time.
Of each only what routes and label sets ask for is kept: a bridge or a message would be most of it.
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
        self._newest: dict[str, int] = {}

    def take(self, alert: Alert) -> None:
        """The transition is one of its episode's; once is as good as twice."""
        if not alert.notify:
            return
        told = self._told.setdefault(alert.alert_id, [])
        self._newest[alert.alert_id] = max(alert.seq, self._newest.get(alert.alert_id, 0))
        if not any(one.seq <= alert.seq and _ways(one) == _ways(alert) for one in told):
            told.append(alert.model_copy(update={"message": "", "evidence": {}, "bridge": None}))
        if len(self._told) > MOST_EPISODES:
            oldest = next(iter(self._told))
            del self._told[oldest], self._newest[oldest]

    def earlier(self, alert: Alert) -> tuple[Alert, ...]:
        """What was told before of the episode, as far as routes could tell it apart: no message, no evidence."""
        return tuple(one for one in self._told.get(alert.alert_id, ()) if one.seq < alert.seq)

    def newest(self, alert_id: str) -> int:
        """The number of the last transition that was told of the episode; 0: not known."""
        return self._newest.get(alert_id, 0)

    def routes_for(self, routes: Routes, alert: Alert) -> list[Route]:
        """The routes that the transition goes to, in the order of their names."""
        if not alert.notify:
            return []
        found = {(one.org, one.id): one for one in routes_for(routes, alert)}
        for earlier in self.earlier(alert):
            as_then = earlier.model_copy(update={"status": alert.status, "resolved_at": alert.resolved_at})
            found |= {key: one for key, one in routes.items() if key not in found and matches(one, as_then)}
        return [found[key] for key in sorted(found)]


def _ways(alert: Alert) -> tuple[object, ...]:
    """What conditions of routes ask for and may change within an episode."""
    return alert.owner, alert.severity, tuple(sorted(alert.labels.items()))
