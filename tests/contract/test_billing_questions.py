"""What finance and operators ask, on the real engine: dead letters, a provider's report, the FOCUS file."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pyarrow as pa
import pytest

from deploy.focus_export import Exported, focus_rows
from deploy.moments import in_utc
from deploy.retrying import letter_of
from deploy.store_client import rows, streamed
from producers.retry import Retry, retry
from schemas.connection import ClickHouseSettings
from schemas.internal import RATED_SCHEMA, BatchHeaders
from schemas.provider_usage import COST, Figure, ProviderReport, Span
from schemas.signals import DeadLetter
from sinks import dead_letters
from sinks.focus import totals
from sinks.groups import RatedMessage
from sinks.migrate import ensure_database, migrate, migrations
from sinks.provider_reconcile import compare, ours_between, ours_from
from sinks.queries import Query
from sinks.rows import store_rows
from sinks.signal_rows import signal_rows, tables
from sinks.store import Store, connector
from tests.laws.rating_events import event, new_lane, raw, sent, step
from tests.sink_world import DAY, SUMMED, rated_row
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real
HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip
ROWS = [rated_row(number, ts=DAY + timedelta(minutes=37 * number, seconds=11)) for number in range(100)]
ROWS[3] |= {"cost_usd": None, "list_cost_usd": None, "pricing_status": "unpriced_model"}
ROWS[5] |= {"gateway_cache_hit": True, "cost_usd": Decimal(0), "list_cost_usd": Decimal(0)}
ROWS[7] |= {"units": [("web_searches", 2.0)]}
REFUSED = [event("a", output_tokens=-1), event("b", messages=["a prompt"], model=None), event("c", output_tokens=-1)]


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouse) -> Iterator[ClickHouseSettings]:
    """A database with the events above and the dead letters of the refused ones."""
    found = ClickHouseSettings(
        url=clickhouse.url,
        user=clickhouse.writer_user,
        password_file=clickhouse.writer_password_file,
        database=f"billing_{uuid4().hex[:8]}",
    )
    ensure_database(connector(found), found.database)
    store = Store(connector(found), found.database)
    migrate(store, migrations())
    batch = pa.RecordBatch.from_pylist(ROWS, schema=RATED_SCHEMA)
    store.insert("usage_events_store", store_rows([RatedMessage(0, 0, HEADER, batch)], group_id="g"), token="g")
    letters = sent(step(new_lane(), map(raw, REFUSED)), "usage.dead_letters")
    signals = [row for letter in letters for row in signal_rows(letter.value, partition=0, offset=0)]
    for name, table in tables(signals):
        store.insert(name, table)
    yield found
    store.run(f"DROP DATABASE {found.database}")


def letters_of(settings: ClickHouseSettings, asked: Query) -> list[DeadLetter]:
    """The dead letters that a question finds."""
    with streamed(settings, asked.sql, asked.parameters) as found:
        return [letter_of(row) for row in found]


def test_dead_letters_are_found_and_can_be_sent_again(settings: ClickHouseSettings) -> None:
    """What rating refused is listed by reason and time, shown by id, and read back as what can be retried."""
    listed = dead_letters.listed(reason="out_of_range", since=DAY, limit=10)
    assert [row["dead_letter_id"] for row in rows(settings, listed.sql, listed.parameters)] == [
        "usage.events/0/2",
        "usage.events/0/0",
    ]
    assert len(letters_of(settings, dead_letters.whole(since=DAY))) == 3
    (letter,) = letters_of(settings, dead_letters.one("usage.events/0/1"))
    assert (letter.reason, letter.dialect, letter.redacted_values, letter.cut) == (
        "missing_field",
        "burnline",
        1,
        False,
    )
    found = [retry(one) for one in letters_of(settings, dead_letters.whole(reason="out_of_range"))]
    assert [(one.id, one.revision) for one in found if isinstance(one, Retry)] == [("a", 2), ("c", 2)]
    assert letters_of(settings, dead_letters.one("usage.events/0/9")) == []


def test_the_ledger_answers_in_the_terms_of_a_report(settings: ClickHouseSettings) -> None:
    """Our figures are the ledger's sums of the covered time, without what the gateway's own cache answered."""
    spans = (Span(DAY, DAY + timedelta(days=1), "usage"), Span(DAY, DAY + timedelta(days=1), COST))
    first_day = [row for at, row in enumerate(ROWS) if row["ts"] < DAY + timedelta(days=1) and at != 5]
    models = sorted({row["model"] for row in first_day})

    def total(model: str, *names: str) -> Decimal:
        return sum(
            (Decimal(row[name] or 0) for row in first_day if row["model"] == model for name in names), Decimal(0)
        )

    figures = [
        Figure(DAY.date(), model, measure, total(model, *names))  # type: ignore[arg-type]  # each is a Measure
        for model in models
        for measure, names in (
            ("input_tokens", ["input_tokens"]),
            ("input_uncached_tokens", ["input_uncached_tokens"]),
            ("input_cache_read_tokens", ["input_cache_read_tokens"]),
            ("output_tokens", ["output_tokens"]),
            ("cost_usd", ["cost_usd"]),
        )
    ]
    report = ProviderReport("openai", tuple(figures), spans, ())
    asked = ours_between("openai", spans)
    found = [row | {"t": in_utc(row["t"])} for row in rows(settings, asked.sql, asked.parameters)]
    lines = compare(report, ours_from(found, report), max_drift=Decimal(0))
    assert [line for line in lines if line.verdict != "ok"] == []
    assert len(lines) == len(figures)


def test_the_focus_file_adds_up_to_the_ledger(settings: ClickHouseSettings) -> None:
    """Whole hours and cut ones: costs and tokens of the rows are those of the events in [since, until)."""
    since, until = DAY + timedelta(minutes=40), DAY + timedelta(hours=30, minutes=7)
    within = [row for row in ROWS if since <= row["ts"] < until]
    exported = Exported()
    sums = totals(focus_rows(settings, exported, since=since, until=until))
    assert (exported.events, exported.unpriced) == (len(within), 1)
    assert sums["BilledCost"] == sums["EffectiveCost"] == sum(row["cost_usd"] or 0 for row in within)
    assert sums["ListCost"] == sum(row["list_cost_usd"] or 0 for row in within)
    assert sums["Tokens"] == sum(row[name] or 0 for row in within for name in SUMMED[:2])
