"""The questions on the real engine: rollups and events give one answer, and it is what was stored.

Long because one store, which is dear to fill, answers all of them: reports, the cookbook, the panels of dashboards.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from deploy.backfill.answer import Missed, missed, missed_by_import
from deploy.backfill.rules import rules_now
from deploy.backtest_past import labels_kept, of_ledger, steps_of_ledger
from deploy.backtest_told import AROUND, Labelled
from deploy.backtesting import MINUTE_US, RulesNow, of_events, of_steps
from deploy.bench.ledger import OwnStore
from deploy.bench.query import measured
from deploy.clickhouse.server_roles import to_sql
from deploy.dashboards import DASHBOARDS
from deploy.dashboards.asked import Range, asked
from deploy.dashboards.panels import Panel
from deploy.policy_log import Logged
from deploy.top.amounts import usd_of_hour, usd_per_hour
from deploy.top.picture import Piece
from deploy.top.reading import Wanted, read
from schemas.connection import ClickHouseSettings
from schemas.governance import GovernanceRule
from schemas.internal import RATED_SCHEMA, BatchHeaders
from schemas.money import plain
from schemas.periods import instant, micros, period_in
from schemas.policies import AlertLabel, Budget, PolicyChange
from schemas.steps import STEP_NUMBERS, STEP_TEXTS
from sinks import queries
from sinks.backfill_questions import Span
from sinks.groups import RatedMessage
from sinks.label_rows import LABEL_TABLE, label_rows
from sinks.migrate import ensure_database, migrate, migrations
from sinks.queries import Query
from sinks.rows import store_rows
from sinks.signal_rows import TABLES, signal_rows, tables, to_table
from sinks.store import Store, connector
from tests.laws.rating_events import arrow, event, new_lane, raw, record, rfc3339
from tests.laws.rating_events import batch as batch_of
from tests.sink_world import DAY, rated_row
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "schemas" / "examples"
COOKBOOK = re.findall(r"### (\d+)\. [^\n]+\?\n.*?```sql\n(.*?)```", (ROOT / "docs/cookbook.md").read_text(), re.DOTALL)
WITHOUT_ROWS = {"5", "6", "14", "17", "18", "24"}
"""Questions of the cookbook about what these events do not have: runs, tasks, attempts, waste, outcomes, audits."""
PANELS = [panel for dashboard in DASHBOARDS for panel in dashboard.panels if panel.sql]
HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip
ROWS = [rated_row(number, ts=DAY + timedelta(minutes=37 * number), session=f"s{number % 3}") for number in range(200)]
for unpriced in ROWS[::8]:
    unpriced |= {"cost_usd": None, "pricing_status": "unpriced_model"}
for imported in ROWS[::9]:
    imported |= {"import_id": "imported", "pool": "low"}


NOW = DAY + timedelta(hours=9, minutes=15, seconds=7)
"""When somebody looks at what burns: events of 8:38 and 9:15 are of the last hour."""


def said(entity_type: str, entity_id: str, window_end: datetime, usd_per_hour: int) -> list[dict[str, Any]]:
    """What burn says of an entity that burns like this for an hour."""
    return [
        {
            "org": "acme",
            "entity_type": entity_type,
            "entity_id": entity_id,
            "window_sec": window_sec,
            "window_end": window_end,
            "requests": window_sec // 60,
            "tokens": window_sec * usd_per_hour,
            "cost_usd": Decimal(usd_per_hour * window_sec) / 3600,
            "usd_per_hour": Decimal(usd_per_hour),
            "tokens_per_min": Decimal(usd_per_hour * 60),
            "src_partition": 0,
            "src_offset": int(window_end.timestamp()),
        }
        for window_sec in (300, 3600)
    ]


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouse) -> Iterator[ClickHouseSettings]:
    """A database with the events above, the golden signals, and an agent that burnt ever faster for half an hour."""
    settings = ClickHouseSettings(
        url=clickhouse.url,
        user=clickhouse.writer_user,
        password_file=clickhouse.writer_password_file,
        # Analysts of the embedded engine read the views of this database; on a server it is one of our own.
        database="burnline" if clickhouse.embedded else f"queries_{uuid4().hex[:8]}",
    )
    ensure_database(connector(settings), settings.database)
    store = Store(connector(settings), settings.database)
    migrate(store, migrations())
    batch = pa.RecordBatch.from_pylist(ROWS, schema=RATED_SCHEMA)
    store.insert("usage_events_store", store_rows([RatedMessage(0, 0, HEADER, batch)], group_id="g"), token="g")
    signals = [
        path for path in EXAMPLES.glob("*.json") if path.name.startswith(("alert.", "burnline.rates", "burnline.b"))
    ]
    for path in [*signals, EXAMPLES / "burnline.dead_letter.v1.json"]:
        if "header" not in path.name:
            for name, table in tables(signal_rows(path.read_bytes(), partition=0, offset=0)):
                store.insert(name, table)
    ends = [NOW - timedelta(seconds=7 + 300 * number) for number in range(6)]
    for end in (*ends[3:], *ends[:3]):  # not in order
        rates = said("model", "o3", end, 3)
        rates += [*said("agent", "agent-1", end, (end - ends[-1]).seconds // 300), *said("org", "acme", end, 40)]
        store.insert("burn_rates_store", to_table("burn_rates_store", rates))
    yield settings
    store.close()
    clickhouse.make_anew(settings.database)


@pytest.fixture(scope="module")
def client(clickhouse: ClickHouse, settings: ClickHouseSettings) -> Iterator[Any]:
    """A client of this database."""
    with clickhouse.client(database=settings.database) as made:
        yield made


@pytest.fixture
def analyst(clickhouse: ClickHouse, settings: ClickHouseSettings) -> Iterator[Any]:
    """The analyst's client of this database."""
    with clickhouse.client("analyst", database=settings.database) as made:
        yield made


@pytest.fixture
def reading(clickhouse: ClickHouse, settings: ClickHouseSettings, tmp_path: Path) -> ClickHouseSettings:
    """How the analyst, as whom the command line asks, reaches this database."""
    (tmp_path / "password").write_text(clickhouse.analyst_password)
    return settings.model_copy(update={"user": clickhouse.analyst_user, "password_file": tmp_path / "password"})


def ask(client: Any, query: Query) -> list[dict[str, Any]]:
    """The rows by column name."""
    result = client.query(query.sql, parameters=query.parameters)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def cost(rows: list[dict[str, Any]]) -> Decimal:
    """The exact cost of events or answers."""
    return sum((row["cost_usd"] for row in rows if row["cost_usd"] is not None), Decimal(0))


@pytest.mark.parametrize("by", [["team"], ["user"], []])
@pytest.mark.parametrize("tz", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_days_are_those_of_the_time_zone(client: Any, by: list[str], tz: str) -> None:
    """A report by day adds up events by their local day, from the rollup and from the events alike."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    expected: dict[Any, Decimal] = defaultdict(Decimal)
    for row in ROWS:
        day = row["ts"].astimezone(ZoneInfo(tz)).date()
        expected[(day, *(row[name] for name in by))] += row["cost_usd"] or 0
    found = ask(client, queries.report("daily", by=by, tz=tz))
    assert {(row["period"], *(row[name] for name in by)): row["cost_usd"] for row in found} == expected
    assert sum(row["requests"] for row in found) == len(ROWS)


def test_weeks_begin_on_monday_and_months_on_their_first_day(client: Any) -> None:
    """22 November 2026 is a Sunday."""
    weeks = ask(client, queries.report("weekly"))
    assert [row["period"] for row in weeks] == [date(2026, 11, 16), date(2026, 11, 23)]
    assert [row["period"] for row in ask(client, queries.report("monthly"))] == [date(2026, 11, 1)]
    assert cost(weeks) == cost(ROWS)


def test_coverage_is_the_share_of_requests_with_a_price(client: Any) -> None:
    """One in eight has none."""
    for view in queries.VIEWS_OF_SUMS:
        [row] = ask(client, queries.totals(view))
        assert (row["requests"], row["unpriced_requests"], row["priced_to_all_requests_ratio"]) == (200, 25, 0.875)
        assert row["cost_usd"] == cost(ROWS)
        assert row["input_tokens"] == sum(each["input_tokens"] for each in ROWS)
    [none] = ask(client, queries.totals(filters={"team": ["nobody"]}))
    assert (none["requests"], none["cost_usd"], none["priced_to_all_requests_ratio"]) == (0, 0, None)


@pytest.mark.parametrize("minutes", [0, 7])
def test_bounds_are_half_open(client: Any, minutes: int) -> None:
    """What happens at `since` counts, what happens at `until` does not."""
    since, until = DAY + timedelta(hours=37, minutes=minutes), DAY + timedelta(hours=74, minutes=minutes)
    inside = [row for row in ROWS if since <= row["ts"] < until]
    assert cost(ask(client, queries.report("total", since=since, until=until))) == cost(inside)
    assert cost(ask(client, queries.top("team", since=since, until=until, limit=100))) == cost(inside)
    assert cost(ask(client, queries.totals(since=since, until=until))) == cost(inside)


def test_sessions_have_a_beginning_and_an_end(client: Any) -> None:
    """A report by session has one row each, from its first to its last event."""
    found = ask(client, queries.report("session", by=["team"], filters={"team": ["team-1"]}))
    expected = [row for row in ROWS if row["team"] == "team-1"]
    assert {row["session"] for row in found} == {row["session"] for row in expected}
    assert sum(row["requests"] for row in found) == len(expected)
    assert min(row["first_ts"] for row in found).replace(tzinfo=UTC) == expected[0]["ts"]


def test_the_dearest_come_first(client: Any) -> None:
    """`top` is sorted by cost and cut by limit, the same from rollup and events."""
    rollup = ask(client, queries.top("user", limit=5))
    events = ask(client, queries.top("user", since=DAY - timedelta(seconds=1), limit=5))
    assert rollup == events
    by_user: dict[str, Decimal] = defaultdict(Decimal)
    for row in ROWS:
        by_user[row["user"]] += row["cost_usd"] or 0
    assert [row["cost_usd"] for row in rollup] == sorted(by_user.values(), reverse=True)[:5]


def test_signals_can_be_asked_for(client: Any) -> None:
    """Budgets of the period that holds now, alerts, their history, what burns, why records were not counted."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    [budget] = ask(client, queries.budgets_left(now=now, org="acme"))
    assert (budget["limit"], budget["left"]) == (1000, Decimal("199.8766"))
    assert ask(client, queries.budgets_left(now=now + timedelta(days=30))) == []
    rules = {row["rule"] for row in ask(client, queries.alerts())}
    assert {"spike", "shared_credential", "threshold"} <= rules
    firing = ask(client, queries.alerts(topic="alerts.anomalies", status="firing", org="acme", since=DAY, mode="live"))
    [spike] = [row for row in firing if row["rule"] == "spike"]
    [event] = ask(client, queries.alert_history(spike["alert_id"][:8]))
    assert event["evidence"]["expected"] == "2.2"
    assert [row["entity_id"] for row in ask(client, queries.burning_now(window_sec=300, entity_type="team"))] == [
        "code"
    ]
    [letters] = ask(client, queries.dead_letters_by_reason(since=DAY))
    assert (letters["reason"], letters["records"]) == ("missing_field", 1)


def test_what_burns_now_is_the_newest_rate_of_each_entity(client: Any, settings: ClickHouseSettings) -> None:
    """One picture: totals and how old they are, the past of those that burn, budgets of now, alerts that are open."""
    picture = read(settings, Wanted(), now=NOW)
    assert (picture.as_of, picture.age_sec(NOW), picture.burns()) == (NOW - timedelta(seconds=7), 7, True)
    assert [(total.org, total.usd_per_hour, total.requests) for total in picture.totals] == [("acme", Decimal(40), 60)]
    sections = {section.entity_type: section for section in picture.sections}
    [agent] = sections["agent"].burners
    five = Decimal(5)
    assert (agent.entity_id, agent.usd_per_hour, agent.cost_usd, agent.tokens_per_min) == (
        "agent-1",
        five,
        five,
        60 * five,
    )
    # Half an hour ago burn began to speak; of the time before, the events say that it did not burn.
    assert agent.past == tuple(Piece(Decimal(usd), Decimal(usd * 60)) for usd in (*[0] * 6, *range(6)))
    [team] = sections["team"].burners
    assert [piece and int(piece.usd_per_hour) for piece in team.past] == [0] * 11 + [37]
    [model] = read(settings, Wanted(by="model"), now=NOW).sections[0].burners
    call = 12 * (ROWS[14]["cost_usd"] or 0)  # at 8:38, when burn did not speak yet
    assert [piece and piece.usd_per_hour for piece in model.past] == [0, 0, 0, 0, call, 0, *[3] * 6]
    assert [(one.entity_id, one.usd_per_hour) for one in sections["team"].burners] == [("code", Decimal("37.2"))]
    assert [line.budget_id for line in picture.budgets] == ["team-code-monthly"]
    assert {alert.status for alert in picture.alerts} == {"firing"}
    assert picture.open_alerts == len(picture.alerts) > 0
    [(rows, keys)] = client.query(
        "SELECT count(), uniqExact(window_sec, org, entity_type, entity_id) FROM burn_now"
    ).result_rows
    assert rows == keys
    newest = "SELECT max(window_end) FROM {} WHERE entity_type = 'agent'"
    assert client.query(newest.format("burn_now")).result_rows == client.query(newest.format("burn_rates")).result_rows


def test_people_of_a_team_are_summed_from_the_events_of_the_last_hour(settings: ClickHouseSettings) -> None:
    """The call of 9:15:00 is of team-1, that of 8:38 is not; what five minutes cost is a twelfth of an hour's rate."""
    [section] = read(settings, Wanted(team="team-1"), now=NOW).sections
    [user] = section.burners
    row = ROWS[15]
    tokens = row["input_tokens"] + row["output_tokens"]
    assert (section.entity_type, user.entity_id, user.requests, user.tokens) == ("user", row["user"], 1, tokens)
    assert (user.cost_usd, user.usd_per_hour) == (row["cost_usd"], 12 * row["cost_usd"])
    assert user.tokens_per_min == Decimal(tokens) / 5
    assert [None if piece is None else bool(piece.usd_per_hour) for piece in user.past] == [False] * 11 + [True]


def test_calls_without_a_price_are_marked_where_they_fall(settings: ClickHouseSettings) -> None:
    """The call at 14:48 has none: what its model costs is not known, and nobody takes it for 0."""
    now = DAY + timedelta(hours=15)
    picture = read(settings, Wanted(by="run", team=ROWS[24]["team"]), now=now)
    assert picture.sections[0].burners == ()  # nobody said a run
    assert ROWS[24]["model"] in dict(picture.unpriced_models)
    [section] = read(settings, Wanted(by="model", team=ROWS[24]["team"]), now=now).sections
    [model] = section.burners
    assert (model.entity_id, model.unpriced_requests, model.cost_usd) == (ROWS[24]["model"], 1, Decimal(0))
    assert (usd_per_hour(model), usd_of_hour(model)) == ("0.00", "?")


def test_a_look_back_counts_what_budgets_count_to_the_event(client: Any) -> None:
    """What each member crossed stands at the event, with the exact sum; an import is what it takes for some of it."""
    told: dict[str, Any] = {"org": "acme", "period": "day", "timezone": "Asia/Kathmandu", "thresholds": ("0.5", "1")}
    budget = Budget(id="each", each="team", scope={"provider": "openai"}, limit=Decimal("1.7"), **told)
    weighed = Budget(id="pools", multipliers={"low": 3}, limit=Decimal(40), **told)
    change = PolicyChange(change_id="c", actor="a", at="", files=(), sets=(budget, weighed))
    rules = rules_now([Logged(0, NOW, change)])

    def asked(query: Query) -> list[dict[str, Any]]:
        return ask(client, query)

    first, last = min(row["ts"] for row in ROWS), max(row["ts"] for row in ROWS) + timedelta(days=2)
    found = missed(asked, rules, Span(first - timedelta(days=2), last))
    expected = [*crossings(budget, ROWS), *crossings(weighed, ROWS)]
    assert len(expected) > 10
    assert sorted(map(crossing_of, found)) == sorted(expected)
    assert all(one.said == () for one in found)
    without = [row for row in ROWS if row["import_id"] != "imported"]
    kept = {crossing[:4]: crossing[4] for crossing in [*crossings(budget, without), *crossings(weighed, without)]}
    by_import = missed_by_import(asked, rules, "imported", now=last)
    assert {crossing_of(one) for one in by_import} == {one for one in expected if kept.get(one[:4]) != one[4]}
    later = {crossing_of(one)[:4]: one.without_import for one in by_import if one.without_import is not None}
    assert later
    assert all(at > first for at in later.values())


def crossing_of(one: Missed) -> tuple[Any, ...]:
    """Budget, member, start of the period, level; the event and the sum with it."""
    alert = one.alert
    assert one.crossed.event is not None
    return (
        alert.budget_id, alert.member or "", alert.period_start, alert.level, one.crossed.event.id, one.crossed.value,
    )  # fmt: skip


def crossings(budget: Budget, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The same by counting each event."""
    spent: dict[Any, Decimal] = defaultdict(Decimal)
    found = []
    for row in sorted(rows, key=lambda row: (row["ts"], row["source"], row["id"])):
        period = period_in(budget.calendar(), micros(row["ts"]))
        assert period is not None
        key = (budget.id, row[budget.each] if budget.each else "", instant(period.start_us))
        before = spent[key]
        spent[key] += (row["cost_usd"] or 0) * budget.multipliers.get(row["pool"] or "", 1)
        found += [
            (*key, plain(share), row["id"], spent[key])
            for share in budget.thresholds
            if before < share * budget.limit <= spent[key]
        ]
    return found


def test_what_late_events_changed_stands_beside_what_was_said_when_the_period_closed(
    clickhouse: ClickHouse, settings: ClickHouseSettings
) -> None:
    """The first sum after the end is kept; a period that no late event reached is not listed, nor one that was cut."""
    end, later = DAY + timedelta(days=1), DAY + timedelta(days=2)
    first, newest, between = (end, 1), (later, 3), (end + timedelta(hours=3), 2)
    states = [
        {"budget_id": budget_id, "spent": Decimal(spent), "at": at, "src_offset": offset, "requests": offset}
        for budget_id, spent, (at, offset) in (
            ("late", 80, first), ("late", 95, newest), ("late", 90, between), ("same", 70, first), ("same", 70, newest),
            ("cut", 1, (DAY, 4)), ("cut", 2, (end, 5)),
        )
    ]  # fmt: skip
    whole = dict.fromkeys(TABLES["budget_states_store"].names) | {
        "org": "acme", "member": "", "period_start": DAY, "period_end": end, "unit": "usd", "limit": Decimal(100),
        "unpriced_requests": 0, "policy_offset": 0, "owner": "", "src_partition": 0, "status": "closed",
    }  # fmt: skip
    store = Store(connector(settings), settings.database)
    for number, state in enumerate(states):
        store.insert("budget_states_store", to_table("budget_states_store", [whole | state]), token=f"s{number}")
    store.close()
    with clickhouse.client(database=settings.database) as client:
        found = ask(client, Query("SELECT * FROM budget_restatements AS v ORDER BY v.budget_id", {}))
    told = [(row["budget_id"], row["spent_at_close"], row["spent_now"], row["change"]) for row in found]
    assert told == [("late", Decimal(80), Decimal(95), Decimal(15))]
    times = [found[0][name].replace(tzinfo=UTC) for name in ("closed_at", "restated_at")]
    assert (*times, found[0]["more_requests"]) == (end, later, 2)


def as_of(sql: str, now: datetime) -> str:
    """The question as it is at this moment, over three days around it: what Grafana and the clock would put in."""
    span = Range(now - timedelta(days=3), now + timedelta(days=3))
    found = asked(sql, span, orgs=["acme"], at_least_sec=900)
    found = re.sub(r"now(64)?\(('UTC'|6)?\)", f"toDateTime({int(now.timestamp())}, 'UTC')", found)
    return found.replace("today()", f"toDate('{now.date()}')")


def test_every_question_of_the_cookbook_is_answered_to_an_analyst(analyst: Any) -> None:
    """Twenty and more, as they are printed; where these events have something to say, there are rows."""
    assert len(COOKBOOK) >= 20
    answered = {number: len(analyst.query(as_of(sql, NOW)).result_rows) for number, sql in COOKBOOK}
    assert {number for number, rows in answered.items() if not rows} == WITHOUT_ROWS


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.question)
def test_every_panel_is_answered_to_an_analyst(analyst: Any, panel: Panel) -> None:
    """As Grafana asks; a time series begins with its time, then names, and ends with numbers."""
    found = analyst.query(as_of(panel.sql, NOW))
    if panel.kind == "timeseries" and found.result_rows:
        kinds = [one.base_type for one in found.column_types]
        assert (found.column_names[0], kinds[0].startswith("DateTime")) == ("time", True)
        numbers = [not kind.endswith("String") for kind in kinds[1:]]
        assert numbers == sorted(numbers)
        assert numbers[-1]


def test_an_organisation_sees_itself_and_nobody_else(client: Any, settings: ClickHouseSettings) -> None:
    """The views that a server's script makes for one organisation exist for all that know organisations."""
    views = [row[0] for row in client.query("SELECT name FROM system.tables WHERE engine = 'View' AND database ="
                                            " currentDatabase()").result_rows]  # fmt: skip
    statements = to_sql(views, database=settings.database, orgs=["no'body"])
    for sql in statements:
        client.query("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": sql})  # the engine's own parser
    own = f"`{settings.database}_no'body`"
    for sql in statements:
        if sql.startswith((f"CREATE DATABASE IF NOT EXISTS {own}", "CREATE OR REPLACE VIEW")):
            client.command(sql)
    assert client.query(f"SELECT count() FROM {own}.usage_events").result_rows == [(0,)]
    assert client.query(f"SELECT sum(requests) FROM {own}.usage_daily(tz = 'UTC')").result_rows == [(0,)]
    client.command(f"DROP DATABASE {own}")


def test_the_bench_of_queries_fills_a_ledger_and_every_question_has_an_answer(clickhouse: ClickHouse) -> None:
    """Its smallest form: a day of calls, copied once; ledger and rollups agree, and no question is refused."""
    if clickhouse.process is None:
        pytest.skip("the processor time of a server that we did not start is not ours to read")
    settings = ClickHouseSettings(
        url=clickhouse.url,
        user=clickhouse.writer_user,
        password_file=clickhouse.writer_password_file,
        database=f"bench_{uuid4().hex[:8]}",
    )
    ensure_database(connector(settings), settings.database)
    own = OwnStore(settings, clickhouse.process.pid)
    migrate(own.store(), migrations())
    found = measured(own, 1, runs=1, say=lambda _line: None)
    ((ledger,),) = own.store().rows("SELECT count() FROM usage_events_store")
    ((rollup,),) = own.store().rows("SELECT sum(requests) FROM usage_15m_store")
    assert found.rows == ledger == rollup
    # Of the four companies a single copy has the first only.
    assert [answer.name for answer in found.answers if answer.rows == 0 and "company" not in answer.name] == []
    assert found.bytes_per_row["usage_events_store"] > 10
    assert {column.name for column in found.columns} > {"id", "event_id"}  # small parts do not tell their sizes
    assert found.fill_cpu_us_per_row > 0


def test_a_backtest_reads_what_each_minute_spent(settings: ClickHouseSettings) -> None:
    """By team, to the micro-dollar; calls without a price count as calls, as in rating's deltas."""
    minutes = of_ledger(settings, ("team",), since=DAY, until=DAY + timedelta(days=6))
    found = [row for _, batch in minutes for row in batch.to_pylist()]
    kept = [(row["bucket_us"], row["entity_id"], row["requests"], row["cost_micro_usd"]) for row in found]
    assert sorted(kept) == sorted(
        (micros(row["ts"]), row["team"], 1, int((row["cost_usd"] or Decimal(0)) * 1_000_000)) for row in ROWS
    )


def test_a_label_is_of_the_organisation_and_rule_of_its_alert(
    settings: ClickHouseSettings, reading: ClickHouseSettings
) -> None:
    """As `burnline alerts label` says it, of governance, too; the time is the alert's, and an hour while it is open.

    Not of what the store cannot find again: a shared key would be missed by every backtest.
    """
    names = ("spike", "stolen_key", "shared_credential")
    spike, stolen, shared = (
        next(row.values for row in signal_rows((EXAMPLES / f"alert.{name}.json").read_bytes(), partition=0, offset=0))
        for name in names
    )
    said = {spike["alert_id"]: "dismiss", stolen["alert_id"]: "confirm", shared["alert_id"]: "confirm"}
    labels = tuple(AlertLabel(id=name, org="acme", label=label, by="dana") for name, label in said.items())
    change = PolicyChange(change_id="c", actor="dana", at="", files=(), sets=labels)
    store = Store(connector(settings), settings.database)
    store.insert(LABEL_TABLE, label_rows([(1, change)]))
    store.close()
    first, second = spike["opened_at"], stolen["opened_at"]
    assert labels_kept(reading, since=DAY - timedelta(days=9), until=DAY + timedelta(days=9)) == [
        Labelled("agent", "review-bot", first, first + AROUND, confirmed=False, org="acme", rule="spike"),
        Labelled("credential", "k1", second, second + AROUND, confirmed=True, org="acme", rule="stolen_key"),
    ]
    assert labels_kept(reading, since=DAY - timedelta(days=9), until=first) == []


STEPPED = datetime(2025, 3, 1, 23, 30, 9, 999_999, tzinfo=UTC)
"""Just before a minute of a backtest begins, and half an hour before another day does."""


def calls_with_everything() -> list[tuple[int, bytes]]:
    """A loop, a nameless crowd (refused, unpriced, with claims), and calls that say all that there is to say."""
    whole: dict[str, Any] = {
        **{column: f"{column}-1" for column in STEP_TEXTS}, **dict.fromkeys(STEP_NUMBERS, 503),
        "status": "error", "finish_reason": "stop", "asserted": {"user": "root", "agent": "x"}, "model": "gpt-4o",
        "provider": "openai", "identity_trust": "asserted", "auth_type": "api_key", "data_class": "public",
    }  # fmt: skip
    loop = {"run": "r", "agent": "bot", "tool": "search", "tool_call_hash": "same", "credential": "k9"}
    crowd: dict[str, Any] = {"credential": None, "agent": "bot", "asserted": {"user": "root"}}
    nobody = {"model": "no-such", "user": "unattributed", "team": None}
    kinds = [loop, whole, crowd | {"http_status": 429, "status": "error"},
             crowd | nobody, crowd | {"http_status": 200}]  # fmt: skip
    begin_us = micros(STEPPED)
    return [
        (at_us := begin_us + number * 5_000_000 + hour * 3_600_000_000,
         raw(event(f"s-{hour}-{number}", time=rfc3339(at_us), **{"org": "stepped"} | kinds[max(0, number - 60)])))
        for hour in range(2) for number in range(65)
    ]  # fmt: skip


def test_what_is_stored_is_judged_call_by_call_as_a_trace_is(
    settings: ClickHouseSettings, reading: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call is the row that rating sent of it, in slices of minutes; the alerts are those of the same trace.

    It comes last: the others look at all calls there are.
    """
    events, lane = calls_with_everything(), new_lane()
    rated: list[RatedMessage] = []
    sent: list[dict[str, Any]] = []
    for offset, (at_us, value) in enumerate(events):
        found = lane.step(batch_of([record(value, offset, append_time_us=at_us)]))
        rated += [RatedMessage(0, offset, HEADER, rows) for rows in arrow(found, "internal.rated")]
        sent += [row for rows in arrow(found, "internal.steps") for row in rows.to_pylist()]
    store = Store(connector(settings), settings.database)
    store.insert("usage_events_store", store_rows(rated, group_id="s"), token="s")
    store.close()
    monkeypatch.setattr("deploy.backtest_past.MOST_CALLS", 25)
    read: list[tuple[datetime, int]] = []
    since, until = STEPPED - timedelta(days=1), STEPPED + timedelta(days=1)
    stored = list(steps_of_ledger(reading, since=since, until=until, told=lambda *said: read.append(said)))
    rows = [row for _, rows in stored for row in rows.to_pylist()]
    assert len(sent) == len(events) == len(rows) == sum(calls for _, calls in read)
    assert max(calls for _, calls in read) <= 25
    for row, one in zip(rows, sent, strict=True):
        assert row == one | dict.fromkeys(row.keys() - one.keys())
    rules = RulesNow([GovernanceRule(org="stepped", registered=("credential",))])
    of_calls = [one for one in of_events(events, rules) if one.rule != "unpriced_model"]  # which burn tells
    assert {one.rule for one in of_calls} == {"runaway", "unregistered"}
    assert list(of_steps(stored, rules)) == of_calls
    minutes = [at_us for at_us, _ in of_ledger(reading, ("org",), since=since, until=until)]
    assert minutes == sorted({at_us // MINUTE_US * MINUTE_US for at_us, _ in events})
