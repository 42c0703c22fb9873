"""One episode is one alert at an Alertmanager, whatever changes within it and whichever clock it has."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.signals import Alert
from sinks.notifier.desk import Desk
from sinks.notifier.queues import Limits, Outcome
from sinks.notifier.render import alertmanager
from tests.alertmanager import Alertmanager
from tests.notifier_world import NOW, a_route, an_alert

CHANGES = st.lists(
    st.tuples(st.sampled_from(["info", "warning", "critical"]), st.sampled_from(["code", "web"])),
    min_size=1,
    max_size=6,
)
BEHIND = timedelta(minutes=1)
ROUTE = a_route("prom", destination="alertmanager", secret=None)


@given(CHANGES, st.integers(0, 120), st.timedeltas(timedelta(minutes=-5), BEHIND))
def test_an_episode_is_one_alert_until_it_ends(
    changes: list[tuple[str, str]], every_sec: int, behind: timedelta
) -> None:
    """Of all severities and labels that it had, the last stands; after its end nothing does."""
    keeper, desk, at = Alertmanager(), Desk(Limits()), NOW
    desk.use({("acme", "prom"): ROUTE})
    told = [*enumerate(changes, 1), (len(changes) + 1, changes[-1])]
    for seq, (severity, team) in told:
        at += timedelta(seconds=every_sec)
        over = {"status": "resolved", "resolved_at": at} if seq == len(told) else {}
        alert = an_alert(seq=seq, severity=severity, labels={"team": team}, opened_at=NOW, at=at, **over)
        stands = posted(desk, alert, keeper, behind=behind)
        expected = [] if over else [(severity, team)]
        assert [(one["severity"], one["label_team"]) for one in stands] == expected


def posted(desk: Desk, alert: Alert, keeper: Alertmanager, *, behind: timedelta) -> list[dict[str, str]]:
    """What stands, by the receiver's own clock, a minute after the transition was told."""
    desk.take(alert, place=("alerts.budgets", 0, alert.seq), now=alert.at)
    [(_, delivery)] = desk.departures(now=alert.at)
    now = alert.at - behind + timedelta(microseconds=1)
    keeper.take(alertmanager(delivery.alert, delivery.earlier, url="http://a", secret=None).body, now=now)
    desk.came(("acme", "prom"), Outcome("done"), now=alert.at)
    return keeper.active(now=now + BEHIND)
