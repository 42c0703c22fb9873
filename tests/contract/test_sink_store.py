"""The store's tables, views and repairs on the real engine, without Kafka.

Long because its cases share one fixture and few helpers.
"""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pyarrow as pa
import pytest
import structlog
from structlog.testing import capture_logs

from schemas.connection import ClickHouseSettings
from schemas.directory import BusinessUnit, Identity, Team, User
from schemas.errors import CorruptStateError, FencedError, StoreUnavailableError
from schemas.internal import RATED_SCHEMA, BatchHeaders
from schemas.policies import PolicyChange
from schemas.requests import ForgetRequest
from sinks.directory_questions import entities_of
from sinks.directory_rows import DIRECTORY_TABLE, directory_rows
from sinks.expiring import Expirer, due, sum_up, unfinished
from sinks.forgetting import NAMINGS, named_rows, plan, run
from sinks.groups import Group, RatedMessage, Span, part_tokens
from sinks.inserter import Inserter
from sinks.ledger import missing
from sinks.lives import take_over
from sinks.migrate import Migration, ensure_database, migrate, migrations, run_in_race
from sinks.outcome_rows import OUTCOMES_TABLE
from sinks.patience import Patience, StopRequested
from sinks.reconcile import reconcile
from sinks.rollups import ROLLUPS
from sinks.rows import days_of, split_by_month, store_rows
from sinks.signal_rows import TABLES, to_table
from sinks.statements import statements
from sinks.store import Store, connector
from tests.sink_world import DAY, SUMMED, Truth, rated_row, rated_rows
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "views.json"
HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip
TABLE = "usage_events_store"
SHAPES = {
    "usage_daily": "(tz = 'UTC')",
    "spend_bridge": (
        "(since = '2026-11-01', until = '2026-12-01', before_since = '2026-10-01', before_until = '2026-11-01')"
    ),
}
"""How views that ask for something are asked."""
NEEDS_MORE = {
    "alert_labels_store",
    "charges_store",
    "directory_store",
    "usage_entities_expired_store",
    "value_policies_store",
}
"""Tables that this file's rows for forgetting do not fill."""


def put(store: Store, rows: pa.RecordBatch, *, group: str = "g", offset: int = 7) -> pa.Table:
    """The rows as one group, inserted as the sink does."""
    table = store_rows([RatedMessage(2, offset, HEADER, rows)], group_id=group)
    parts = split_by_month(table)
    for token, part in zip(part_tokens(group, len(parts)), parts, strict=True):
        store.insert(TABLE, part, token=token)
    return table


def sums(store: Store, view: str, where: str = "1") -> tuple[Any, ...]:
    """Requests, cost and tokens by a naive sum over a view."""
    requests = "count()" if view == "usage_events" else "sum(requests)"
    tokens = ", ".join(f"sum({name})" for name in SUMMED)
    return store.rows(f"SELECT {requests}, sum(cost_usd), {tokens} FROM {view} WHERE {where}")[0]


def all_sums(store: Store) -> set[tuple[Any, ...]]:
    """The different sums that the views give: one, if they agree."""
    found = {sums(store, view) for view in ("usage_events", "usage_15m", "usage_1h", "usage_1d_utc")}
    return found | {
        sums(store, "usage_daily(tz = 'America/New_York')"),
        sums(store, "usage_entities_1h", "entity_type = 'user'"),
    }


def without_december(store: Store, table: str) -> None:
    """The table has lost its rows of December."""
    time = "ts" if table == TABLE else "t"
    store.run(f"ALTER TABLE {table} DELETE WHERE toYYYYMM({time}) = 202612 SETTINGS mutations_sync = 1")


def one(**changes: Any) -> pa.RecordBatch:
    """One rated event with these values."""
    return pa.RecordBatch.from_pylist([rated_row(1, ts=DAY, **changes)], schema=RATED_SCHEMA)


def test_one_insert_of_50000_rows_over_six_months_is_known_as_a_whole(store: Store) -> None:
    """The same token stores nothing a second time, in the ledger and in the rollups, whatever the size and months."""
    rows = rated_rows(range(2_500), step=timedelta(minutes=100))
    many = pa.Table.from_batches([rows] * 20).combine_chunks()
    ids = pa.array([f"call-{number}" for number in range(50_000)])
    many = many.set_column(many.schema.get_field_index("id"), "id", ids).to_batches()[0]
    truth = Truth()
    truth.add(many)
    assert len(split_by_month(store_rows([RatedMessage(0, 0, HEADER, many)], group_id="g"))) == 1
    for _ in range(2):
        put(store, many)
    assert all_sums(store) == {truth.row()}


def test_a_group_over_101_months_is_stored_once(store: Store) -> None:
    """101 months are three inserts, each within what one insert may touch; storing them twice changes nothing."""
    start = datetime(2008, 1, 5, tzinfo=UTC)
    rows = rated_rows(range(202), start=start, step=timedelta(days=15, hours=5))
    truth = Truth()
    truth.add(rows)
    for _ in range(2):
        table = put(store, rows)
    assert len(split_by_month(table)) == 3
    assert all_sums(store) == {truth.row()}
    assert reconcile(store, days_of(table), reason="test", now=DAY) == []


@pytest.mark.parametrize("cost", ["0", "0.000000000001", "999999.999999999999", None])
def test_money_keeps_its_last_digit(store: Store, cost: str | None) -> None:
    """A cost comes back as it went in, from one pico-dollar to just below a million; missing stays NULL."""
    money = Decimal(cost) if cost is not None else None
    put(store, one(cost_usd=money, ceiling_cost_usd=money, reported_cost_usd=None))
    assert store.rows("SELECT cost_usd, ceiling_cost_usd, reported_cost_usd FROM usage_events") == [
        (money, money, None)
    ]
    assert store.rows("SELECT sum(cost_usd) FROM usage_15m") == [(money or 0,)]


def test_sums_up_to_1e11_usd_are_exact(store: Store) -> None:
    """A hundred thousand events of nearly a million dollars add up to the pico-dollar in every view."""
    cost = Decimal("999999.999999999999")
    row = rated_row(1, ts=DAY)
    batch = pa.RecordBatch.from_pylist([row], schema=RATED_SCHEMA)
    many = pa.Table.from_batches([batch]).take(pa.array([0] * 100_000)).combine_chunks()
    many = many.set_column(many.schema.get_field_index("id"), "id", pa.array([str(i) for i in range(100_000)]))
    many = many.set_column(
        many.schema.get_field_index("cost_usd"), "cost_usd", pa.array([cost] * 100_000, pa.decimal128(18, 12))
    )
    put(store, many.to_batches()[0])
    for view in ("usage_events", "usage_15m", "usage_1h", "usage_1d_utc"):
        assert store.rows(f"SELECT sum(cost_usd) FROM {view}") == [(cost * 100_000,)]
    assert store.rows("SELECT cost_usd FROM entities WHERE entity_type = 'org'") == [(cost * 100_000,)]


def test_missing_strings_are_empty_and_missing_numbers_are_null(store: Store) -> None:
    """'' is a missing string, {} a missing map, NULL a missing number; what was given comes back as it was."""
    empty = dict.fromkeys(RATED_SCHEMA.names)
    kept = ("event_id", "source", "id", "revision", "ts", "received_at", "org", "provider", "model", "live")
    row = {**empty, **{name: value for name, value in rated_row(1, ts=DAY).items() if name in kept}}
    row |= {"maybe_duplicate": False, "corrects": False, "astray": False, "void": False}
    row |= {"policy_offset": -1, "event_partition": 0, "event_offset": 0}
    full = rated_row(
        2, ts=DAY, tags=[("a", "1"), ("ключ", "значение")], units=[("seconds", 1.5)], asserted=[("user", "eve")],
        gateway_cache_hit=False, http_status=599, latency_ms=2**31 - 1, attempt=1, user='o\'"\\ \n;--',
    )  # fmt: skip
    put(store, pa.RecordBatch.from_pylist([row, full], schema=RATED_SCHEMA))
    columns = (
        "team, tags, units, asserted, input_tokens, cost_usd, gateway_cache_hit, http_status, attempt, latency_ms, user"
    )
    found = store.rows(f"SELECT {columns} FROM usage_events ORDER BY id")
    assert found[0] == ("", {}, {}, {}, None, None, None, None, None, None, "")
    assert found[1] == (
        "team-2", {"a": "1", "ключ": "значение"}, {"seconds": 1.5}, {"user": "eve"}, full["input_tokens"],
        full["cost_usd"], False, 599, 1, 2**31 - 1, 'o\'"\\ \n;--',
    )  # fmt: skip


def test_every_row_carries_its_place(store: Store) -> None:
    """Partition, offset and index in the message stand beside each row, and name it alone."""
    put(store, rated_rows(range(3)), offset=41)
    found = store.rows(f"SELECT src_partition, src_offset, src_index, group_id FROM {TABLE} ORDER BY src_index")
    assert found == [(2, 41, index, "g") for index in range(3)]


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: rollup.store)
def test_a_corrupted_rollup_is_repaired_to_the_pico_dollar(store: Store, rollup: Any) -> None:
    """Doubled and deleted rows are mended by signed differences; a second run finds nothing to do."""
    truth = Truth()
    for day in (0, 1, 40):
        rows = rated_rows(range(day * 1000, day * 1000 + 300), start=DAY + timedelta(days=day))
        truth.add(rows)
        put(store, rows, group=f"g{day}")
    store.run(f"INSERT INTO {rollup.store} SELECT * FROM {rollup.store} WHERE model = 'o3'")
    store.run(f"ALTER TABLE {rollup.store} DELETE WHERE model = 'gpt-4o' SETTINGS mutations_sync = 1")
    assert all_sums(store) != {truth.row()}
    days = {DAY.date(), date(2026, 11, 23), date(2027, 1, 1)}
    repairs = reconcile(store, days, reason="test", now=DAY)
    assert {(repair.day, repair.rollup) for repair in repairs} == {(day, rollup.store) for day in days}
    assert all_sums(store) == {truth.row()}
    assert reconcile(store, days, reason="test", now=DAY) == []
    written = store.rows(
        "SELECT day, rollup, cost_before_usd != cost_ledger_usd, reason FROM reconciliations ORDER BY day"
    )
    assert written == [(day, rollup.store.removesuffix("_store"), True, "test") for day in sorted(days)]


def test_a_doubled_event_counts_once_after_reconciling(store: Store) -> None:
    """The ledger keeps one row per event, the higher revision; the rollups follow when they are reconciled."""
    put(store, one(cost_usd=Decimal(1)), group="a")
    put(store, one(cost_usd=Decimal(1)), group="b", offset=8)
    put(store, one(cost_usd=Decimal(3), revision=2), group="c", offset=9)
    put(store, one(cost_usd=Decimal(2)), group="d", offset=10)
    assert store.rows("SELECT count(), sum(cost_usd) FROM usage_events") == [(1, 3)]
    assert store.rows("SELECT sum(requests), sum(cost_usd) FROM usage_15m") == [(4, 7)]
    reconcile(store, {DAY.date()}, reason="test", now=DAY)
    assert store.rows("SELECT sum(requests), sum(cost_usd) FROM usage_15m") == [(1, 3)]


def test_a_sink_that_was_taken_over_repairs_nothing(store: Store, clickhouse: ClickHouse) -> None:
    """Its repair, sent late, leaves the rollup as it is and ends it; the last one's makes it whole."""
    settings = ClickHouseSettings(
        url=clickhouse.url, user=clickhouse.writer_user, password_file=clickhouse.writer_password_file
    )
    zombie = Store(connector(settings), store.database)
    take_over(zombie)
    put(store, one(cost_usd=Decimal(1)), group="a")
    put(store, one(cost_usd=Decimal(1)), group="b", offset=8)
    take_over(store)
    with pytest.raises(FencedError):
        reconcile(zombie, {DAY.date()}, reason="test", now=DAY)
    assert store.rows("SELECT sum(requests) FROM usage_15m") == [(2,)]
    assert [repair.rollup for repair in reconcile(store, {DAY.date()}, reason="test", now=DAY)] == [
        rollup.store for rollup in ROLLUPS
    ]
    assert store.rows("SELECT sum(requests) FROM usage_15m") == [(1,)]
    zombie.close()


def test_missing_counts_the_events_that_a_group_lacks(store: Store) -> None:
    """Rows that another group or revision stands for are not missing; rows that nobody stored are."""
    table = put(store, rated_rows(range(10)), group="g")
    assert missing(store, table, group_id="g") == 0
    assert missing(store, table, group_id="h") == 0
    more = store_rows([RatedMessage(2, 7, HEADER, rated_rows(range(15)))], group_id="g")
    assert missing(store, more, group_id="g") == 5
    newer = store_rows([RatedMessage(2, 8, HEADER, one(revision=2))], group_id="n")
    assert missing(store, newer, group_id="n") == 1


@pytest.mark.parametrize("lost", [TABLE, "usage_15m_store", "usage_entities_store"])
def test_rows_that_the_engine_only_believes_to_have_are_stored_again(store: Store, lost: str) -> None:
    """An engine that noted a token and lost its rows says "known"; the sink finds out and mends ledger and rollups."""
    rows = rated_rows(range(300), step=timedelta(hours=4))
    truth = Truth()
    truth.add(rows)
    table = put(store, rows)
    without_december(store, lost)
    put(store, rows)
    assert all_sums(store) != {truth.row()}
    group = Group(
        group_id="g", epoch=1, attempt=1, topic_id="t", spans=(Span(partition=2, first=7, next=8),), rows=300,
        tokens=part_tokens("g", 1),
    )  # fmt: skip
    with capture_logs() as lines:
        log = structlog.get_logger()
        inserter = Inserter(store, Patience(threading.Event(), log), log, now=lambda: DAY)
        for _ in range(2):
            inserter.put(group, table, in_doubt=True)
    assert all_sums(store) == {truth.row()}
    healed = [line["events"] for line in lines if line["event"].startswith("events missing")]
    assert len(healed) == (lost == TABLE)
    assert {line["reason"] for line in lines if line["event"] == "rollup repaired"} == {"recovery"}


def test_a_revision_takes_the_place_of_its_event_in_every_rollup(store: Store) -> None:
    """A group with a higher revision is reconciled at once, so that nobody ever sees both."""
    log = structlog.get_logger()
    inserter = Inserter(store, Patience(threading.Event(), log), log, now=lambda: DAY)
    with capture_logs():
        for number, revision in enumerate((1, 2)):
            rows = store_rows([RatedMessage(0, number, HEADER, one(revision=revision))], group_id=f"g{number}")
            span = Span(partition=0, first=number, next=number + 1)
            tokens = part_tokens(f"g{number}", 1)
            group = Group(group_id=f"g{number}", epoch=1, topic_id="t", spans=(span,), rows=1, tokens=tokens)
            resolution, replaced = inserter.resolve(rows)
            assert replaced.to_pylist() == one(asserted=[], units=[], tags=[]).to_pylist() * number
            inserter.put(group, rows, in_doubt=False, replaced=resolution.replaced)
            assert store.rows("SELECT sum(requests) FROM usage_15m") == [(1,)]
            assert store.rows("SELECT revision FROM usage_events") == [(revision,)]


def test_migrations_may_run_twice_and_at_once(clickhouse: ClickHouse) -> None:
    """Two runs at the same time end alike, a third has nothing to do."""
    settings = ClickHouseSettings(
        url=clickhouse.url,
        user=clickhouse.writer_user,
        password_file=clickhouse.writer_password_file,
        database=f"race_{uuid4().hex[:8]}",
    )
    connect = connector(settings)

    def run(_: int) -> None:
        ensure_database(connect, settings.database)
        store = Store(connect, settings.database)
        migrate(store, migrations())
        store.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    store = Store(connect, settings.database)
    assert migrate(store, migrations()) == []
    changed = [Migration(m.number, m.name, m.text + "\n-- later") for m in migrations()]
    with pytest.raises(CorruptStateError, match="0001_usage was applied to this database with another content"):
        migrate(store, changed)
    store.run(f"DROP DATABASE {settings.database}")
    store.close()


def test_a_view_may_be_replaced_while_another_is_made_of_it(clickhouse: ClickHouse, store: Store) -> None:
    """ClickHouse says NOT_AN_AGGREGATE then, of a view that groups by what it asks of the replaced one: made again."""
    every = [statement for migration in migrations() for statement in statements(migration.text)]
    (*_, keys) = (one for one in every if one.startswith("CREATE OR REPLACE VIEW outcome_keys AS"))
    (*_, spend) = (one for one in every if one.startswith("CREATE OR REPLACE VIEW outcome_spend AS"))
    over = threading.Event()

    def replace() -> None:
        other = Store(connector(clickhouse.settings(store.database)), store.database)
        while not over.is_set():
            run_in_race(other, keys)
        other.close()

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        try:
            for _ in range(100):
                run_in_race(store, spend)
        finally:
            over.set()
        replacing.result()


def test_every_view_has_its_agreed_columns(store: Store) -> None:
    """Names, order and types of all views are those of the golden list: analysts rely on them."""
    golden = msgspec.json.decode(GOLDEN.read_bytes())
    views = [
        name
        for (name,) in store.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
        )
    ]
    assert sorted(views) == sorted(golden)
    for view, columns in golden.items():
        shape = f"{view}{SHAPES.get(view, '')}"
        described = store.rows(f"DESCRIBE TABLE (SELECT * FROM {shape})")
        assert {name: kind for name, kind, *_ in described} == columns, view
        assert [name for name, *_ in described] == list(columns), view


def test_an_unreachable_store_is_an_error_that_may_pass() -> None:
    """Nobody listening is a StoreUnavailableError, whatever the driver calls it."""
    settings = ClickHouseSettings(url="http://127.0.0.1:9", database="x")
    with pytest.raises(StoreUnavailableError):
        Store(connector(settings), "x").rows("SELECT 1")


def test_quiet_ends_what_an_earlier_sink_left_running(store: Store, clickhouse: ClickHouse) -> None:
    """A statement of an earlier life is asked to end and waited for; others' statements are left alone."""
    settings = ClickHouseSettings(
        url=clickhouse.url, user=clickhouse.writer_user, password_file=clickhouse.writer_password_file
    )
    earlier = Store(connector(settings), store.database)
    endless = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(earlier.rows, endless)
        until = datetime.now(UTC) + timedelta(seconds=20)
        others = "query LIKE '%sipHash64(number)) FROM%' AND query NOT LIKE '%processes%'"
        while not store.rows(f"SELECT 1 FROM system.processes WHERE {others}"):
            assert datetime.now(UTC) < until
        store.quiet()
        with pytest.raises(StoreUnavailableError):
            running.result(20)
    earlier.close()


def test_a_forgotten_user_is_named_nowhere_and_every_sum_stays(store: Store) -> None:
    """Ledger, rollup, rates, budget states, alerts and dead letters: a count first, then no row, then nothing to do."""
    put(store, rated_rows(range(300), step=timedelta(hours=1)))
    put(store, one(id="x", end_user="user-7", asserted=[("user", "user-7")], tags=[("by", "user-7")]), group="h")
    for table, rows in named_rows_of("user-7"):
        store.insert(table, rows)
    request = ForgetRequest(request_id="f1", org="acme", user="user-7", pseudonym="forgotten:1", budgets=("each",))
    before, counted = all_sums(store), named_rows(store, request)
    assert all(counted[one.table] > 0 for one in NAMINGS if one.table not in NEEDS_MORE)
    for last in (3, None):  # it dies after three statements, and begins anew
        told = plan(store, request)
        for statement in told.statements[:last]:
            run(store, statement, request)
    repairs = reconcile(store, told.days, reason="forget", now=DAY)
    assert {repair.rollup for repair in repairs} == {"usage_entities_store"}
    assert set(named_rows(store, request).values()) == {0}
    assert all_sums(store) == before
    for view in (
        "usage_events",
        "usage_entities_1h",
        "burn_rates",
        "budget_states",
        "alert_events",
        "alerts",
        "outcomes",
    ):
        said = str(store.rows(f"SELECT * FROM {view}"))
        assert "user-7'" not in said
        assert "user-7 " not in said
        assert "forgotten:1" in said, view
    [(letter,)] = store.rows("SELECT base64Decode(value_base64) FROM dead_letters")
    assert json.loads(letter)["data"] == {"org": "acme", "user": "forgotten:1", "team": "user-70"}
    [(others,)] = store.rows("SELECT uniqExact(user) FROM usage_events WHERE user LIKE 'user-%'")
    assert others == 100
    assert plan(store, msgspec.structs.replace(request, pseudonym="forgotten:2")).statements == ()
    [(_, rates), (_, states), *_] = named_rows_of("user-7")  # burn says them once more
    store.insert("burn_rates_store", rates)
    store.insert("budget_states_store", states)
    for statement in plan(store, request).statements:
        run(store, statement, request)
    assert store.rows("SELECT member FROM budget_states ORDER BY member") == [("forgotten:1",), ("user-70",)]


def test_a_dead_letter_names_a_user_of_any_org_in_any_spelling(store: Store) -> None:
    """As Python's JSON escapes both names, and as others write them."""
    request = ForgetRequest(request_id="f2", org="Bär", user="Zoë", pseudonym="forgotten:3", budgets=())
    for offset, ascii_only in enumerate((True, False)):
        raw = json.dumps({"data": {"org": "Bär", "user": "Zoë"}}, ensure_ascii=ascii_only).encode()
        letter = {
            "topic": "usage.charges", "partition": 0, "offset": offset, "append_time": datetime.now(UTC), "reason": "x",
            "value_base64": base64.b64encode(raw).decode(), "headers": [], "cut": False,
        }  # fmt: skip
        store.insert(
            "dead_letters_store", to_table("dead_letters_store", [letter | _zeros("dead_letters_store", letter)])
        )
    assert named_rows(store, request)["dead_letters_store"] == 2
    for statement in plan(store, request).statements:
        run(store, statement, request)
    assert named_rows(store, request)["dead_letters_store"] == 0


def expirer_of(store: Store, now: datetime, *, calls: int = 100) -> Expirer:
    """Lets months go at that time, and stops when it has asked for the time so often."""
    left = iter(range(calls))

    def clock() -> datetime:
        if next(left, None) is None:
            raise StopRequested
        return now

    log = structlog.get_logger()
    return Expirer(store, Patience(threading.Event(), log), log, now=clock)


def rollup_sums(store: Store) -> set[tuple[Any, ...]]:
    """The different sums that the rollups give, whatever the ledger still has."""
    return {sums(store, "usage_15m"), sums(store, "usage_entities_1h", "entity_type = 'user'")}


def test_a_month_that_expired_leaves_the_ledger_and_stays_in_every_sum(store: Store) -> None:
    """Its rows go by when they were received; rollups keep its sums through repairs, late rows and forgotten users."""
    old, expires = datetime(2024, 11, 3, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    truth, days = Truth(), {old.date() + timedelta(days=day) for day in range(4)}
    for start, group in ((old, "old"), (datetime(2025, 6, 1, tzinfo=UTC), "kept"), (DAY, "new")):
        rows = rated_rows(range(60), start=start, step=timedelta(hours=1))
        truth.add(rows)
        put(store, rows, group=group)
    take_over(store)
    expirer = expirer_of(store, expires)
    [first] = due(store, before=expires - timedelta(days=400), now=expires)
    assert (first.month, first.events) == (202411, 60)
    sum_up(store, first)  # it dies here, without a word, and begins anew
    assert list(expirer.run(keep_days=400, positions={})) == [None]
    assert (sums(store, "usage_events")[0], rollup_sums(store)) == (120, {truth.row()})
    assert reconcile(store, days | {DAY.date()}, reason="test", now=DAY) == []
    assert (unfinished(store), list(expirer.run(keep_days=400, positions={}))) == ([], [])

    late = rated_rows(range(100, 107), start=old, received_at=expires)
    truth.add(late)
    put(store, late, group="late", offset=9)
    store.run("ALTER TABLE usage_15m_store DELETE WHERE t < '2024-12-01' SETTINGS mutations_sync = 1")
    assert {repair.rollup for repair in reconcile(store, days, reason="test", now=DAY)} == {"usage_15m_store"}
    assert rollup_sums(store) == {truth.row()}

    request = ForgetRequest(request_id="f", org="acme", user="user-7", pseudonym="forgotten:1", budgets=())
    told = plan(store, request)
    for statement in told.statements:
        run(store, statement, request)
    reconcile(store, told.days, reason="forget", now=DAY)
    assert set(named_rows(store, request).values()) == {0}
    assert rollup_sums(store) == {truth.row()}

    later = expires.replace(year=2028)
    for calls in (2, 3):  # it dies when it would say that it has summed up, then when it would say done
        with pytest.raises(StopRequested):
            list(expirer_of(store, later, calls=calls).run(keep_days=400, positions={}))
        assert len(unfinished(store)) == 1
        expirer_of(store, later).finish()
        assert unfinished(store) == []
    list(expirer_of(store, later).run(keep_days=400, positions={}))
    assert (sums(store, "usage_events")[0], rollup_sums(store)) == (0, {truth.row()})
    assert reconcile(store, days | {DAY.date()}, reason="test", now=DAY) == []


def named_rows_of(user: str) -> Iterator[tuple[str, pa.Table]]:
    """A row of each table of signals that names the user, and one of another member."""
    place: dict[str, Any] = {"org": "acme", "src_partition": 0, "src_offset": 1}
    rate = {**place, "entity_type": "user", "entity_id": user, "window_sec": 300, "window_end": datetime.now(UTC)}
    yield "burn_rates_store", to_table("burn_rates_store", [rate | _zeros("burn_rates_store", rate)])
    state = {**place, "budget_id": "each", "period_start": DAY, "period_end": DAY, "at": DAY, "status": "closed"}
    states = [state | {"member": name} for name in (user, "user-70")]
    yield (
        "budget_states_store",
        to_table("budget_states_store", [one | _zeros("budget_states_store", one) for one in states]),
    )
    alert = {
        "alert_id": "a", "seq": 1, "org": "acme", "entity_type": "user", "entity_id": user, "budget_id": "each",
        "member": user, "at": DAY, "opened_at": DAY, "owner": user, "labels": [("user", user)], "evidence": [],
        "message": f"user {user} has spent 3 USD", "notify": True,
    }  # fmt: skip
    yield "alert_events_store", to_table("alert_events_store", [alert | _zeros("alert_events_store", alert)])
    raw = json.dumps({"data": {"org": "acme", "user": user, "team": "user-70"}}).encode()
    letter = {
        "topic": "usage.events", "partition": 0, "offset": 1, "append_time": datetime.now(UTC), "reason": "x",
        "message": f"no {user!r}", "value_base64": base64.b64encode(raw).decode(), "headers": [], "cut": False,
    }  # fmt: skip
    yield "dead_letters_store", to_table("dead_letters_store", [letter | _zeros("dead_letters_store", letter)])
    outcome = {**place, "outcome_id": "o", "ts": DAY, "received_at": DAY, "void": False, "user": user, "reviewer": user}
    yield OUTCOMES_TABLE, to_table(OUTCOMES_TABLE, [outcome | _zeros(OUTCOMES_TABLE, outcome)])


def _zeros(table: str, row: dict[str, Any]) -> dict[str, int]:
    """Every number that the row does not say is 0."""
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return {
        field.name: 0 for field in TABLES[table] if field.name not in row and any(is_(field.type) for is_ in numeric)
    }


MOVED = DAY + timedelta(hours=9)


def changed(*sets: Any, removes: tuple[Any, ...] = ()) -> PolicyChange:
    """A change of policies."""
    return PolicyChange(change_id="c", actor="dana", at="", files=(), sets=sets, removes=removes)


def ana(number: int, **changes: Any) -> dict[str, Any]:
    """One rated event of 1 USD, so many hours into the day."""
    at = DAY + timedelta(hours=number)
    said = {"user": "ana", "team": "code", "cost_usd": Decimal(1), "agent": None, "credential": None}
    return rated_row(number, ts=at) | said | changes


def test_entities_have_a_row_for_each_time_and_spend_stands_in_its_own(store: Store) -> None:
    """Before and after a move; who is unknown; who never spent. Sums are the ledger's, whatever is stored twice."""
    first = changed(
        BusinessUnit(org="acme", id="lab"), Team(org="acme", id="code", business_unit="lab", owner="eve"),
        User(org="acme", id="ana", team="code", name="Ana"), User(org="acme", id="cleo", team="code"),
        User(org="acme", id="ana", team="old", valid_from=MOVED), Identity(org="acme", id="a@x", user="ana"),
    )  # fmt: skip
    second = changed(User(org="acme", id="ana", team="web", valid_from=MOVED), removes=(("user", "acme", "cleo"),))
    for changes in ([(3, first)], [(3, first), (5, second)], [(5, second)]):
        store.insert(DIRECTORY_TABLE, directory_rows(changes))
    rows = [ana(8), ana(8, id="b"), ana(9, team="web"), ana(10, user="bo", team="unattributed"),
            ana(10, id="c", team="web", asserted=[("team", "sales")])]  # fmt: skip
    put(store, pa.RecordBatch.from_pylist(rows, schema=RATED_SCHEMA))

    def asked(**which: Any) -> list[dict[str, Any]]:
        given = {"entity_type": None, "entity_id": None, "org": None, "unknown": False, "limit": 100} | which
        question = entities_of(**given)
        names = ("entity_id", "in_directory", "team", "valid_from", "valid_to", "requests", "cost_usd", "first_seen")
        columns = ", ".join(names)
        found = store.rows(f"SELECT {columns} FROM ({question.sql})", question.parameters)
        return [dict(zip(names, row, strict=True)) for row in found]

    users = asked(entity_type="user")
    assert [tuple(one.values())[:3] for one in users] == [
        ("ana", True, "code"),
        ("ana", True, "web"),
        ("bo", False, ""),
    ]
    assert [(one["requests"], one["cost_usd"]) for one in users] == [(2, 2), (2, 2), (1, 1)]
    plain = MOVED.replace(tzinfo=None)
    assert [(one["valid_from"], one["valid_to"]) for one in users] == [(None, plain), (plain, None), (None, None)]
    teams = {one["entity_id"]: one for one in asked(entity_type="team")}
    assert {name: (one["in_directory"], one["requests"]) for name, one in teams.items()} == {
        "code": (True, 2), "web": (False, 2), "unattributed": (False, 1),
    }  # fmt: skip
    assert sum(one["cost_usd"] for one in teams.values()) == 5
    [unit] = asked(entity_type="business_unit")
    assert (unit["requests"], unit["first_seen"]) == (0, None)
    assert [one["entity_id"] for one in asked(entity_type="user", unknown=True)] == ["bo"]
    assert store.rows("SELECT identity, source, user, valid_from, valid_to FROM identities") == [
        ("a@x", "", "ana", None, None)
    ]
    coverage = "requests, unattributed_requests, unattributed_cost_usd, disputed_requests, disputed_cost_usd"
    assert store.rows(f"SELECT {coverage} FROM attribution_daily WHERE day = '2026-11-22'") == [(5, 1, 1, 1, 1)]

    request = ForgetRequest(request_id="f", org="acme", user="ana", pseudonym="forgotten:1", budgets=())
    assert named_rows(store, request)[DIRECTORY_TABLE] > 0
    for statement in plan(store, request).statements:
        run(store, statement, request)
    assert named_rows(store, request)[DIRECTORY_TABLE] == 0
    assert store.rows("SELECT count() FROM identities") == [(0,)]
