"""Which routes an alert's transition goes to. Pure.

Laws
1. A transition with `notify` goes once to each enabled route of its org whose every condition it meets.
2. One without goes nowhere.
"""

from collections.abc import Mapping

from schemas.policies import Policies
from schemas.routes import Route
from schemas.signals import Alert

RouteKey = tuple[str, str]
"""(org, id of the route)"""
Routes = Mapping[RouteKey, Route]


def routes_in(policies: Policies) -> dict[RouteKey, Route]:
    """The enabled routes of what is in force."""
    found = (entry.policy for entry in policies.values())
    return {(one.org, one.id): one for one in found if isinstance(one, Route) and one.enabled}


def is_over(alert: Alert) -> bool:
    """Whether this transition says that nothing is wrong any more."""
    return alert.status == "resolved" or (alert.status != "firing" and alert.resolved_at is not None)


def matches(route: Route, alert: Alert) -> bool:
    """Whether every condition of the route holds for the alert; its `notify` is not asked."""
    return (
        route.org == alert.org
        and (not route.topics or alert.topic in route.topics)
        and (not route.rules or alert.rule in route.rules)
        and (not route.severities or alert.severity in route.severities)
        and (not route.owners or alert.owner in route.owners)
        and all(value in _named(alert, key) for key, value in route.entity.items())
        and (route.resolved or not is_over(alert))
    )


def _named(alert: Alert, key: str) -> set[str]:
    """What the alert says of an entity type: as the entity itself, or as one of its labels."""
    own = {alert.entity_id} if alert.entity_type == key else set()
    return own | ({alert.labels[key]} if key in alert.labels else set())


def routes_for(routes: Routes, alert: Alert) -> list[Route]:
    """The routes that the transition goes to, in the order of their names."""
    if not alert.notify:
        return []
    return [routes[key] for key in sorted(routes) if matches(routes[key], alert)]
