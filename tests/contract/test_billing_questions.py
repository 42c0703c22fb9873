"""What finance and operators ask, on the real engine: dead letters, a provider's report, FOCUS, a budget's past."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from deploy.alert_subject import Baseline, Subject
from deploy.bridging import PricesThen, explained
from deploy.focus_export import Exported, focus_rows
from deploy.forecasting import histories_of, quarter
from deploy.moments import in_utc
from deploy.retrying import letter_of
from deploy.store_client import rows, streamed
from producers.retry import Retry, retry
from schemas.connection import ClickHouseSettings
from schemas.internal import RATED_SCHEMA, BatchHeaders
from schemas.policies import Budget
from schemas.provider_usage import COST, Figure, ProviderReport
from schemas.provider_usage import Span as Covered
from schemas.signals import DeadLetter
from sinks import dead_letters
from sinks.bridge_questions import Span
from sinks.budget_history import budget_history
from sinks.focus import totals
from sinks.groups import RatedMessage
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
for pooled in ROWS[2::9]:
    pooled |= {"pool": "high"}
REFUSED = [event("a", output_tokens=-1), event("b", messages=["a prompt"], model=None), event("c", output_tokens=-1)]


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouse) -> Iterator[ClickHouseSettings]:
    """A database with the events above and the dead letters of the refused ones."""
    with clickhouse.borrowed() as found:
        store = Store(connector(found), found.database)
        batch = pa.RecordBatch.from_pylist(ROWS, schema=RATED_SCHEMA)
        store.insert("usage_events_store", store_rows([RatedMessage(0, 0, HEADER, batch)], group_id="g"), token="g")
        letters = sent(step(new_lane(), map(raw, REFUSED)), "usage.dead_letters")
        signals = [row for letter in letters for row in signal_rows(letter.value, partition=0, offset=0)]
        for name, table in tables(signals):
            store.insert(name, table)
        yield found
        store.close()


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


def test_a_bridge_is_between_the_sums_of_the_ledger(settings: ClickHouseSettings) -> None:
    """Before and after are the ledger's own sums, the drivers add up to their difference, and who drove it is named.

    These rows have invented costs, so nearly all of it is what the prices known now do not explain: it is `other`.
    """
    half = DAY + timedelta(minutes=37 * 50)
    before, after = Span(DAY, half), Span(half, half + (half - DAY))
    never = Baseline(Span(DAY - timedelta(days=9), DAY - timedelta(days=8)), "never")
    subject = Subject({"org": "acme"}, after, (never, Baseline(before, "right before")), with_charges=True)
    found = explained(settings, subject, PricesThen(None, ()))

    def total(span: Span) -> Decimal:
        return sum((row["cost_usd"] or Decimal(0) for row in ROWS if span.since <= row["ts"] < span.until), Decimal(0))

    assert found["baseline"]["what"] == "right before"
    assert (found["before_usd"], found["after_usd"]) == (total(before), total(after))
    assert sum(one["change_usd"] for one in found["bridge"]) == found["difference_usd"] == total(after) - total(before)
    assert [found["figures"][when]["calls"] for when in ("before", "after")] == [49, 50]
    assert found["without_a_known_cost"]["before"]["calls"] == 1
    assert "user" not in found["driven_by"], "people are told apart within a team only"
    team = found["driven_by"]["team"][0]["entity_id"]
    within = replace(subject, filters={"org": "acme", "team": team})
    assert explained(settings, within, PricesThen(None, ()))["driven_by"]["user"]
    assert any("price book test was not found" in note for note in found["notes"])
    rises = found["difference_usd"] > 0
    assert all((line["change_usd"] > 0) == rises for line in found["driven_by"]["model"])


def test_the_ledger_answers_in_the_terms_of_a_report(settings: ClickHouseSettings) -> None:
    """Our figures are the ledger's sums of the covered time, without what the gateway's own cache answered."""
    spans = (Covered(DAY, DAY + timedelta(days=1), "usage"), Covered(DAY, DAY + timedelta(days=1), COST))
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


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scope": {"team": "team-1"}, "unit": "requests"},
        {"each": "team", "unit": "tokens"},
        {"scope": {"team": "team-1"}, "each": "agent", "unit": "requests"},
        {"scope": {"user": "user-30"}, "multipliers": {"high": 3}, "unit": "tokens"},
        {"multipliers": {"high": 3}},
    ],
)
def test_a_budgets_past_is_what_it_counts_by_quarters(settings: ClickHouseSettings, changes: dict[str, Any]) -> None:
    """Per member and quarter of an hour, from the rollup or the events: scope, unit, pools; unpriced adds nothing."""
    budget = Budget.model_validate({"id": "b", "org": "acme", "limit": 1, **changes})
    since, until = quarter(ROWS[10]["ts"]), quarter(ROWS[90]["ts"])
    expected: dict[tuple[str, float], float] = defaultdict(float)
    for row in ROWS:
        inside = since <= row["ts"] < until and all(row[name] == value for name, value in budget.scope.items())
        if inside and (not budget.each or row[budget.each]):
            amount = {"usd": row["cost_usd"] or 0, "tokens": row["input_tokens"] + row["output_tokens"], "requests": 1}
            key = row[budget.each] if budget.each else "", quarter(row["ts"]).timestamp()
            expected[key] += float(amount[budget.unit]) * budget.multipliers.get(row["pool"] or "", 1)
    asked = budget_history(budget, since=since, until=until)
    found = histories_of(rows(settings, asked.sql, asked.parameters), until=until)
    told = {
        (member, history.start.timestamp() + 900 * place): amount
        for member, history in found.items()
        for place, amount in enumerate(history.amounts.tolist())
        if amount
    }
    assert told == pytest.approx({key: amount for key, amount in expected.items() if amount})
    assert told
