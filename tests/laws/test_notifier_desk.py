"""The desk's laws: each notify transition reaches each matching route once; a dead route delays nobody."""

import pickle
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.deliveries import DeliveryStatus, Said, delivery_id
from schemas.routes import Route
from schemas.signals import Alert
from sinks.notifier.desk import Desk
from sinks.notifier.queues import Limits, Outcome
from sinks.notifier.routing import matches
from sinks.notifier.standing import standing
from tests.notifier_world import NOW, a_route, an_alert

LIMITS = Limits(first_wait_sec=1, longest_wait_sec=8, give_up_sec=60, most_waiting=5, slow_sec=3)
ALERTS = st.lists(
    st.builds(
        lambda number, severity, owner, notify: {
            "alert_id": f"a{number}", "severity": severity, "owner": owner, "notify": notify,
        },
        st.integers(0, 3), st.sampled_from(["info", "critical"]), st.sampled_from(["dana", "lee", None]), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip
ROUTES = st.lists(
    st.builds(
        lambda severities, owners: {"severities": severities, "owners": owners},
        st.sampled_from([(), ("critical",)]), st.sampled_from([(), ("dana",), ("lee", "dana")]),
    ),
    max_size=4,
)  # fmt: skip
OUTCOMES = st.sampled_from([Outcome("done"), Outcome("again", "HTTP 500"), Outcome("refused", "HTTP 400")])


def numbered(raw: list[dict[str, object]]) -> list[Alert]:
    """The transitions in the order of the log: `seq` counts those of an alert."""
    seqs: dict[object, int] = {}
    alerts = []
    for one in raw:
        seqs[one["alert_id"]] = seqs.get(one["alert_id"], 0) + 1
        alerts.append(an_alert(seq=seqs[one["alert_id"]], **one))
    return alerts


def named(raw: list[dict[str, object]]) -> dict[tuple[str, str], Route]:
    """The routes by their keys."""
    return {("acme", f"r{number}"): a_route(f"r{number}", **one) for number, one in enumerate(raw)}


@given(ALERTS, ROUTES, st.data())
def test_every_notify_transition_reaches_every_matching_route_once(
    raw: list[dict[str, object]], raw_routes: list[dict[str, object]], data: st.DataObject
) -> None:
    """Whatever fails, and whoever dies, each is settled once; of one alert, attempts begin in order within a life."""
    alerts, routes = numbered(raw), named(raw_routes)
    settled: list[DeliveryStatus] = []
    now = NOW
    begun: dict[tuple[str, str], list[int]] = {}
    desk, read = next_life(routes, alerts, settled, since=0), 0
    dies_after = data.draw(st.integers(0, 30))
    while read < len(alerts) or not desk.is_idle:
        if dies_after == 0:
            read = desk.position("alerts.budgets", 0, read=read)
            desk, begun = next_life(routes, alerts, settled, since=read), {}
        dies_after -= 1
        for offset, alert in list(enumerate(alerts))[read : read + 3]:
            desk.take(alert, place=("alerts.budgets", 0, offset), now=now)
            read = offset + 1
        caught_up(desk, alerts, read=read, now=now)
        for route, delivery in desk.departures(now=now):
            if delivery.attempts == 0:
                begun.setdefault((route.id, delivery.alert.alert_id), []).append(delivery.alert.seq)
            status = desk.came((route.org, route.id), data.draw(OUTCOMES), now=now)
            settled += [status] if status.status != "waiting" else []
        settled += desk.overdue(now=now)
        now += timedelta(seconds=1)
    wanted = [
        delivery_id(alert.alert_id, alert.seq, route.id)
        for number, alert in enumerate(alerts) for route in routes.values()
        if alert.notify and any(
            matches(route, one) for one in alerts[:number + 1] if one.notify and one.alert_id == alert.alert_id
        )
    ]  # fmt: skip
    assert sorted(one.delivery_id for one in settled) == sorted(wanted)
    assert all(seqs == sorted(seqs) for seqs in begun.values())
    assert desk.position("alerts.budgets", 0, read=len(alerts)) == len(alerts)


def next_life(
    routes: dict[tuple[str, str], Route], log: list[Alert], said: list[DeliveryStatus], *, since: int
) -> Desk:
    """A desk that knows what the log says of lives before it, and reads alerts from `since` on."""
    desk = Desk(LIMITS)
    for alert in log[:since]:
        desk.recall(alert)
    past = standing((Said(data=one).model_dump_json().encode() for one in said), {("alerts.budgets", 0): since})
    desk.remember(past.settled)
    desk.use(routes)
    return desk


def caught_up(desk: Desk, log: list[Alert], *, read: int, now: datetime) -> None:
    """Who was put aside has read the next six of what it missed, of a log read up to `read`."""
    for key, place, offset in desk.behind():
        until = min(offset + 6, read)
        missed = list(enumerate(log))[offset:until]
        if desk.catch_up(key, place, missed, until=until, now=now) >= read:
            desk.caught_up(key, place)


def run(
    dead: set[str], alerts: list[Alert], *, seconds: int, hangs: bool = False, takes_sec: int = 0
) -> dict[str, list[tuple[datetime, str]]]:
    """When each route had which deliveries, where those in `dead` never answer anything good, or after `takes_sec`."""
    desk = Desk(LIMITS)
    desk.use({("acme", name): a_route(name) for name in ("dead", "alive", "well")})
    had: dict[str, list[tuple[datetime, str]]] = {"dead": [], "alive": [], "well": []}
    slow: dict[tuple[str, str], tuple[datetime, str]] = {}
    now = NOW
    for second in range(seconds):
        if second < len(alerts):
            desk.take(alerts[second], place=("alerts.budgets", 0, second), now=now)
        caught_up(desk, alerts, read=min(second + 1, len(alerts)), now=now)
        for key in [key for key, (until, _) in slow.items() if until <= now]:
            desk.came(key, Outcome("done"), now=now)
            had[key[1]].append((now, slow.pop(key)[1]))
        for route, delivery in desk.departures(now=now):
            bad = route.id in dead
            if bad and takes_sec:
                slow[route.org, route.id] = now + timedelta(seconds=takes_sec), delivery.delivery_id
                continue
            if bad and hangs:
                continue
            desk.came((route.org, route.id), Outcome("again" if bad else "done", "down"), now=now)
            had[route.id] += [] if bad else [(now, delivery.delivery_id)]
        desk.overdue(now=now)
        now += timedelta(seconds=1)
    return had


@given(st.integers(1, 30), st.booleans())
def test_a_dead_route_delays_no_other(count: int, hangs: bool) -> None:  # noqa: FBT001  hypothesis gives it
    """What the others are told, and when, is the same whether a route is dead, hangs, or neither."""
    alerts = [an_alert(alert_id=f"a{number}") for number in range(count)]
    healthy, hurt = run(set(), alerts, seconds=120), run({"dead"}, alerts, seconds=120, hangs=hangs)
    assert (hurt["alive"], hurt["well"]) == (healthy["alive"], healthy["well"])
    assert len(healthy["alive"]) == count


def test_who_was_told_of_an_episode_hears_its_end() -> None:
    """Dana's page goes to kim, and both hear that it is over; a start that recalls knows it, too; nobody else does."""
    page, passed_on = an_alert(owner="dana"), an_alert(seq=2, owner="kim", severity="info")
    over = an_alert(seq=3, owner="kim", status="resolved", resolved_at=NOW)
    routes = {("acme", name): a_route(name, owners=[name]) for name in ("dana", "kim", "lee")}
    heard = {"dana": [1, 2, 3], "kim": [2, 3]}
    for recalled, told in (([], [page, passed_on, over]), ([page, passed_on], [over])):
        desk = Desk(LIMITS)
        desk.use(routes)
        for alert in recalled:
            desk.recall(alert)
        for offset, alert in enumerate(told):
            desk.take(alert, place=("alerts.budgets", 0, offset), now=NOW)
        waits = {key[1]: [one.alert.seq for one in queue.waiting] for key, queue in desk.queues.items()}
        assert waits == {name: seqs[-len(told) :] for name, seqs in heard.items()}


@given(st.integers(1, 40))
def test_a_slow_route_delays_no_other_and_misses_nothing(count: int) -> None:
    """An alert comes each second and it takes 2 s for one: the others have it at once, it in the end and in order."""
    alerts = [an_alert(alert_id=f"a{number}") for number in range(count)]
    healthy, hurt = run(set(), alerts, seconds=120), run({"dead"}, alerts, seconds=120, takes_sec=2)
    assert (hurt["alive"], hurt["well"]) == (healthy["alive"], healthy["well"])
    assert [name for _, name in hurt["dead"]] == [f"a{number}/1/dead" for number in range(count)]


def test_what_is_put_aside_holds_the_position_until_it_is_settled() -> None:
    """A crash loses nothing of it: one waits, one is aside, and reading begins again with the first of both."""
    desk = Desk(Limits(most_waiting=1))
    desk.use({("acme", "r"): a_route("r")})
    for number in range(3):
        desk.take(an_alert(alert_id=f"a{number}"), place=("alerts.budgets", 0, number), now=NOW)
    stood = []
    while not desk.is_idle:
        desk.departures(now=NOW)
        desk.came(("acme", "r"), Outcome("done"), now=NOW)
        stood.append(desk.position("alerts.budgets", 0, read=3))
        caught_up(desk, [an_alert(alert_id=f"a{number}") for number in range(3)], read=3, now=NOW)
    assert stood == [1, 2, 3]


@given(st.integers(1, 40), st.integers(0, 40))
def test_no_position_passes_what_waits(count: int, settled: int) -> None:
    """The position is the first alert that a route still waits for, and the end where none does."""
    desk = Desk(Limits(most_waiting=100))
    desk.use({("acme", "r"): a_route("r")})
    for number in range(count):
        desk.take(an_alert(alert_id=f"a{number}"), place=("alerts.budgets", 0, 7 + number), now=NOW)
    for _ in range(min(settled, count)):
        desk.departures(now=NOW)
        desk.came(("acme", "r"), Outcome("done"), now=NOW)
    assert desk.position("alerts.budgets", 0, read=7 + count) == 7 + min(settled, count)
    assert desk.position("alerts.anomalies", 0, read=99) == 99


def test_what_a_dead_route_missed_is_held_by_the_log_alone() -> None:
    """However many transitions a dead route misses, the desk holds no more, and the other has each at once."""
    desk, holds, alive, parked, now = Desk(LIMITS), set(), 0, 0, NOW
    desk.use({("acme", name): a_route(name) for name in ("dead", "alive")})
    for number in range(500):
        desk.take(an_alert(alert_id=f"a{number % 7:05}", seq=number), place=("alerts.budgets", 0, number), now=now)
        for route, _ in desk.departures(now=now):
            outcome = Outcome("again", "down") if route.id == "dead" else Outcome("done")
            alive += desk.came((route.org, route.id), outcome, now=now).status == "delivered"
        assert alive == number + 1
        parked += len(desk.overdue(now=now))
        if number >= 100 and number % 20 == 0:
            holds.add(len(pickle.dumps(desk)) // 1_000)
            assert number + 1 - desk.position("alerts.budgets", 0, read=number + 1) == LIMITS.most_waiting
        now += timedelta(seconds=1)
    assert len(holds) <= 2
    assert parked == 500 - LIMITS.most_waiting
