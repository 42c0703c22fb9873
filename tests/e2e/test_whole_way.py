"""The whole way as a user walks it: the command line, a real Kafka, the real engine, a real trace. Counts are exact.

Long because it is one story told in the order in which a user lives it; each test goes on where the last one stopped.
"""

import csv
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import accumulate
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from deploy.stack.find import find_stack
from deploy.stack.processes import lives
from sinks.store import Store, connector
from sinks.value_nights import NightDoors, judge
from tests.channels_world import Channels, Told, channels
from tests.cli_stack import SET, TRACE, Stack, started
from tests.notifier_world import statuses
from tests.sink_world import wait_for

ROLLUPS = ("usage_15m", "usage_1h", "usage_1d_utc", "usage_daily(tz = 'Asia/Kolkata')")
UNDER_WAY = "pagerduty"
"""The receiver that is being told when the notifier is killed."""
ALERT_TOPICS = ("alerts.budgets", "alerts.anomalies", "alerts.governance", "alerts.value")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not TRACE.exists(), reason="the Azure trace is not beside this checkout (shared/data)"),
]


@pytest.fixture(scope="module")
def heard() -> Iterator[Channels]:
    """Receivers of every kind, one of which answers nobody yet."""
    with channels() as made:
        made.receivers[UNDER_WAY].answering.clear()
        yield made


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, heard: Channels) -> Iterator[Stack]:
    """One stack for all of it: the trace as it is, of 2023, and then the same as if it were now."""
    settings = heard.settings() | {"BURNLINE_NOTIFIER_HEARTBEAT_SEC": "2"}
    yield from started(tmp_path_factory.mktemp("whole") / "state", settings)


def truth() -> dict[str, str]:
    """Requests and token sums, read from the file by nothing but the csv module."""
    with TRACE.open() as lines:
        rows = list(csv.DictReader(lines))
    return {
        "requests": str(len(rows)),
        "input_tokens": str(sum(int(row["ContextTokens"]) for row in rows)),
        "output_tokens": str(sum(int(row["GeneratedTokens"]) for row in rows)),
    }


def sums_everywhere(stack: Stack) -> dict[str, dict[str, str]]:
    """Requests and token sums of team code as each view has them."""
    where = "WHERE org = 'acme' AND team = 'code'"
    tokens = "toString(sum(input_tokens)) AS input_tokens, toString(sum(output_tokens)) AS output_tokens"
    found = {"usage_events": stack.rows(f"SELECT toString(count()) AS requests, {tokens} FROM usage_events {where}")[0]}
    for view in ROLLUPS:
        found[view] = stack.rows(f"SELECT toString(sum(requests)) AS requests, {tokens} FROM {view} {where}")[0]
    return found


def alerts_on_topics(stack: Stack) -> list[dict[str, object]]:
    """Every alert of acme on the alert topics, read as an operator would: plain confluent-kafka and json."""
    consumer = Consumer(
        {**stack.login("subscribers"), "group.id": "burnline-subscribers-tests", "enable.partition.eof": True}
    )
    alerts: list[dict[str, object]] = []
    try:
        for topic in ALERT_TOPICS:
            consumer.assign([TopicPartition(topic, 0, 0)])
            while True:
                message = consumer.poll(30)
                assert message is not None, f"{topic} did not answer"
                if message.error() is not None:
                    break
                alerts.append(json.loads(message.value())["data"])
    finally:
        consumer.close()
    # Of this organisation: on a busy machine a heartbeat may be missed, and that is told, too, on another route.
    return [one for one in alerts if one["org"] == "acme"]


def replay(stack: Stack, *extra: str) -> None:
    """The trace goes in and has gone all the way."""
    stack.run("replay", "azure-llm", str(TRACE), "--speed", "max", *SET, *extra)
    stack.run("drain", "--timeout", "120")


def test_trace_of_2023_is_counted_exactly_in_every_view(stack: Stack) -> None:
    """8,819 requests and the file's token sums, in the events and in every rollup."""
    replay(stack)
    assert sums_everywhere(stack) == dict.fromkeys(("usage_events", *ROLLUPS), truth())


def test_old_events_send_no_alert(stack: Stack) -> None:
    """2023 is backfill: it counts, and fires nothing."""
    assert alerts_on_topics(stack) == []


def test_what_old_events_would_have_fired_is_asked_of_the_ledger(stack: Stack, tmp_path: Path) -> None:
    """A budget of today over the trace of 2023 is crossed at the moment that the file says, and told to nobody."""
    with TRACE.open() as lines:
        used = [
            (row["TIMESTAMP"], int(row["ContextTokens"]) + int(row["GeneratedTokens"])) for row in csv.DictReader(lines)
        ]
    half = sum(tokens for _, tokens in used) // 2
    budget = tmp_path / "budget.toml"
    budget.write_text(f'[[budget]]\nid = "half"\norg = "acme"\nunit = "tokens"\nlimit = {half}\nthresholds = [1]\n')
    stack.run("apply", str(budget))
    [row] = stack.rows("SELECT any(import_id) AS import_id FROM usage_events")
    asked = ("alerts", "would-have-fired", "--import", row["import_id"], "--rules", "now", "--json")
    [told] = json.loads(stack.run(*asked).stdout)
    spent = accumulate(tokens for _, tokens in sorted(used))
    moment = next(at for (at, _), so_far in zip(sorted(used), spent, strict=True) if so_far >= half)
    assert (told["budget_id"], told["at"][:23], told["said"]) == ("half", moment[:23].replace(" ", "T"), [])
    stack.run("apply", "--remove", "budget/acme/half")


def test_replaying_again_changes_nothing(stack: Stack) -> None:
    """Ids come from content, so a second replay is all duplicates."""
    replay(stack)
    assert sums_everywhere(stack) == dict.fromkeys(("usage_events", *ROLLUPS), truth())


def costs_everywhere(stack: Stack) -> set[str]:
    """The different sums of cost that the views have: one, if they agree."""
    views = ("usage_events", *ROLLUPS)
    return {stack.rows(f"SELECT toString(sum(cost_usd)) AS usd FROM {view}")[0]["usd"] for view in views}


def test_what_is_rated_anew_or_undone_is_so_in_every_view(stack: Stack, tmp_path: Path) -> None:
    """Half the price halves every sum; an import that is undone is gone, and stays so when it is replayed again."""
    [before] = costs_everywhere(stack)
    rules = tmp_path / "prices.toml"
    rules.write_text(
        '[[discount]]\nid = "half"\norg = "acme"\nmodel = "gpt-4o"\npercent = "50"\n'
        'valid_until = "2023-12-01T00:00:00Z"\n'
    )
    stack.run("apply", str(rules))
    since = ("--from", "2023-11-01", "--to", "2023-12-01", "--json")
    shown = json.loads(stack.run("rerate", *since, "--dry-run").stdout, parse_float=str)
    assert costs_everywhere(stack) == {before}
    done = json.loads(stack.run("rerate", *since).stdout, parse_float=str)
    [after] = costs_everywhere(stack)
    assert (Decimal(after), done["run"]["events_changed"]) == (Decimal(before) / 2, shown["events"])
    assert Decimal(str(done["run"]["cost_after_usd"])) == Decimal(after)
    charged = stack.rows("SELECT toString(sum(as_charged_cost_usd)) AS usd FROM usage_events")[0]["usd"]
    assert charged == before
    again = json.loads(stack.run("rerate", *since).stdout)
    assert (again["events"], again["changes"]) == (0, [])

    name = json.loads(stack.run("replay", "azure-llm", str(TRACE), *SET, "--json").stdout)["import_id"]
    undone = json.loads(stack.run("undo", name, "--json").stdout)
    assert undone["run"]["events_changed"] == int(truth()["requests"])
    replay(stack)
    for view in ("usage_events", *ROLLUPS):
        counted = "count()" if view == "usage_events" else "sum(requests)"
        assert stack.rows(f"SELECT toString({counted}) AS n FROM {view}") == [{"n": "0"}], view
    assert alerts_on_topics(stack) == []


def test_a_csv_report_of_a_time_without_usage_names_its_columns(stack: Stack) -> None:
    """A script finds the columns that it always finds, and no line."""
    printed = stack.run(
        "report", "daily", "--by", "team", "--csv", "--since", "2020-01-01", "--until", "2020-01-02"
    ).stdout
    assert [line.split(",")[:3] for line in printed.splitlines()] == [["period", "team", "requests"]]


def test_one_dollar_budget_yields_one_alert_per_threshold(stack: Stack, heard: Channels, tmp_path: Path) -> None:
    """The trace shifted to now breaks a 1-dollar budget: one alert per threshold, readable by a plain consumer.

    What is found is shown, told to people, acknowledged and explained.
    """
    now = datetime.now(UTC)
    zone = "UTC" if now.hour >= 2 else "America/New_York"  # where the trace's hour does not straddle two months
    policies = tmp_path / "budget.toml"
    policies.write_text(
        '[[budget]]\nid = "code"\norg = "acme"\nscope = { team = "code" }\nlimit = "1"\nperiod = "month"\n'
        f'timezone = "{zone}"\n'
        "thresholds = [0.5, 0.8, 1.0]\nburn_alerts = false\n\n"
        '[[horizon]]\norg = "acme"\nlive_horizon = "48h"\n'
    )
    routes, own = tmp_path / "routes.toml", tmp_path / "own.toml"
    routes.write_text(heard.routes(org="acme"))
    own.write_text(heard.own_route())
    heard.put_secrets(stack.state_dir / "route-secrets")
    applied = json.loads(stack.run("apply", str(policies), str(routes), str(own), "--json").stdout)
    replay(stack, "--at", "now")
    firing = [alert for alert in alerts_on_topics(stack) if alert["status"] == "firing"]
    budgets = [alert for alert in firing if alert["topic"] == "alerts.budgets"]
    assert sorted(str(alert["level"]) for alert in budgets) == ["0.5", "0.8", "1"]
    assert len({alert["alert_id"] for alert in budgets}) == 3
    [told] = json.loads(stack.run("forecast", "--budget", "code", "--json").stdout)
    known = told["forecast"]
    assert Decimal(1) < Decimal(known["spent"]) <= Decimal(known["p10"]) <= Decimal(known["p90"])
    assert "already" in stack.run("forecast", "--org", "acme").stdout
    top = json.loads(stack.run("top", "--once", "--json").stdout)
    assert (top["behind"], [one["org"] for one in top["totals"]]) == (False, ["acme"])
    assert sorted(one["level"] for one in top["alerts"] if one["rule"] == "threshold") == ["0.5", "0.8", "1"]
    assert [(one["budget_id"], one["status"]) for one in top["budgets"]] == [("code", "breached")]
    assert top["budgets"][0]["band"] is not None
    assert [one["entity_id"] for one in top["sections"][0]["burners"]] == ["code"]
    shown = stack.run("top", "--once", "--team", "code", "--by", "model").stdout
    assert "model of code" in shown
    assert "gpt-4o" in shown
    assert all(line.isprintable() for line in shown.splitlines())
    is_told_once_through_a_kill_and_an_outage(stack, heard)
    taken = str(budgets[0]["alert_id"])
    stack.run("alerts", "ack", taken[:12], "--by", "dana", "--note", "a load test")
    wait_for(partial(is_acknowledged, stack, taken), what="the alert is acknowledged")
    is_explained(stack, str(next(one["alert_id"] for one in budgets if one["level"] == "1")), applied["policy_offset"])
    wait_for(partial(knows_everything, stack, heard), what="the acknowledgement is told")
    is_missed_and_found_again(stack, heard)
    is_judged_by_night(stack, tmp_path / "tickets.csv")


def to_tell(stack: Stack) -> Told:
    """Each transition that people are to hear of, once."""
    alerts = [one for one in alerts_on_topics(stack) if one["topic"] == "alerts.budgets" and one["notify"]]
    return Counter((str(one["alert_id"]), str(one["seq"])) for one in alerts)


def knows_everything(stack: Stack, heard: Channels) -> bool:
    """Whether every channel has each transition once."""
    return heard.told() == dict.fromkeys(heard.told(), to_tell(stack))


def is_told_once_through_a_kill_and_an_outage(stack: Stack, heard: Channels) -> None:
    """Every kind of channel has each transition once: one was away, one was just being told when the notifier died."""
    found = find_stack(stack.state_dir, {})
    assert found is not None
    wanted, kafka = to_tell(stack), found.kafka()

    def are_told(routes: set[str]) -> bool:
        done = Counter(one.route for one in statuses(kafka) if one.org == "acme" and one.status == "delivered")
        return done == dict.fromkeys(routes, wanted.total())

    wait_for(partial(are_told, set(heard.told()) - {"away", UNDER_WAY}), what="all but two are told")
    notifier = stack.status()["parts"]["notifier"]
    assert notifier["why"].startswith("route acme/away takes nothing (HTTP 503")
    os.kill(notifier["pid"], signal.SIGKILL)
    wait_for(lambda: not lives(notifier["pid"]), what="the notifier is gone")
    assert len(heard.told()[UNDER_WAY]) == 1
    for name in ("away", UNDER_WAY):
        # Neither has said yes to anything: what it was asked so far is to be told by the next life, by the same key.
        heard.receivers[name].requests.clear()
        heard.receivers[name].usual = 200
        heard.receivers[name].answering.set()
    wait_for(partial(are_told, set(heard.told())), what="who was away is told")
    assert heard.told() == dict.fromkeys(heard.told(), wanted)


def is_missed_and_found_again(stack: Stack, heard: Channels) -> None:
    """While rating is stopped no heartbeat comes through, which is told; it counts nowhere, and neither is lost."""
    found = find_stack(stack.state_dir, {})
    assert found is not None

    def last() -> object:
        return heard.own_alerts()[-1]["status"] if heard.own_alerts() else "resolved"

    wait_for(lambda: last() == "resolved", what="heartbeats come")
    found.supervisor().stop("rating")
    wait_for(lambda: last() == "firing", what="heartbeats are missed")
    found.supervisor().start("rating")
    wait_for(lambda: last() == "resolved", what="heartbeats are back")
    assert {one["rule"] for one in heard.own_alerts()} == {"heartbeat_missing"}
    stack.run("drain", "--timeout", "60")
    counts = (
        "(SELECT count() FROM usage_events), (SELECT sum(requests) FROM usage_1h), (SELECT count() FROM dead_letters)"
    )
    [row] = stack.rows(
        f"SELECT {counts}, (SELECT uniqExact(lane) FROM heartbeats), (SELECT min(delay_sec) >= 0 FROM alert_times)"
    )
    assert list(row.values()) == [truth()["requests"], truth()["requests"], "0", "4", "1"]


def is_judged_by_night(stack: Stack, tickets: Path) -> None:
    """Who stores may also say what spending was worth: a use case that brought little is told, and advised about."""
    now = datetime.now(UTC)
    tickets.write_text(f"id,time,outcome_type,use_case,value_usd\nT-1,{now.isoformat()},resolved_ticket,drafts,2\n")
    stack.run("replay", "outcomes", str(tickets), "--set", "org=night")
    replay(stack, "org=night", "use_case=drafts", "--at", "now")
    found = find_stack(stack.state_dir, {})
    assert found is not None
    settings = found.clickhouse(role="writer")
    night = NightDoors(
        kafka=found.kafka(user="sink"),
        open_store=lambda: Store(connector(settings), settings.database),
        stop=threading.Event(),
        now=lambda: now,
    )
    assert judge(night, (now + timedelta(days=21)).replace(hour=4, minute=0, second=0, microsecond=0)) == 2
    stack.run("drain", "--timeout", "60")
    alert = "SELECT rule, entity_id, status, threshold FROM alerts WHERE topic = 'alerts.value'"
    assert [list(row.values()) for row in stack.rows(alert)] == [["low_value", "drafts", "firing", "2"]]
    advice = "SELECT entity_id, advice FROM advice WHERE entity_type = 'use_case'"
    assert [list(row.values()) for row in stack.rows(advice)] == [["drafts", "low_value"]]


def is_acknowledged(stack: Stack, alert_id: str) -> bool:
    """Whether its topic says that somebody has taken the alert on."""
    said = [one for one in alerts_on_topics(stack) if one["alert_id"] == alert_id]
    return [one["status"] for one in said] == ["firing", "acknowledged"]


def is_explained(stack: Stack, alert_id: str, policy_offset: int) -> None:
    """The alert has its policy, and a bridge that adds up; nothing was used in the month before, so all is volume."""
    found = json.loads(stack.run("explain", alert_id[:12], "--json").stdout)
    changes = {one["driver"]: Decimal(one["change_usd"]) for one in found["bridge"]}
    assert changes.pop("volume") == Decimal(found["difference_usd"]) == Decimal(found["after_usd"]) > 1
    assert set(changes.values()) == {Decimal(0)}
    assert (found["policy"]["limit"], found["policy"]["policy_offset"]) == ("1", policy_offset)
    within = json.loads(stack.run("explain", "--since", "2d", "--against", "400d", "--json").stdout)
    assert Decimal(within["after_usd"]) == Decimal(found["after_usd"])
    assert "volume" in stack.run("explain", alert_id).stdout
