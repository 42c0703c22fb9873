"""The final read of a run and all its checks: what the stack says against what the ledger says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deploy.store_client import QueryError, rows
from schemas.errors import KafkaUnavailableError, StoreUnavailableError
from schemas.signals import Alert, CloudSignal
from tests.faults import checks, papers, rerun, rollups
from tests.faults.checks import Check, check
from tests.faults.emitting import Emitter
from tests.faults.hurting import Suffered
from tests.faults.ledger import WINDOW, Truth, lost, truth_of
from tests.faults.limits import Limit, PeriodKey, PeriodSum, sums_of, thresholds
from tests.faults.reading import Concluded, read_concluded, read_log, read_papers
from tests.faults.watching import Watch
from tests.faults.world import World, wait_until

_HEALTHY_SEC = 120.0
SETTLED_SEC = 60.0


def judge(  # noqa: PLR0913  called in one place, by name
    world: World,
    emitter: Emitter,
    watch: Watch,
    limits: Sequence[Limit],
    *,
    window: int = WINDOW,
    settled_sec: float = SETTLED_SEC,
) -> tuple[Truth, list[Check]]:
    """The truth of a drained run, and every invariant but those of the faults themselves.

    What is said a moment after it is known is waited for, `settled_sec` at most.
    """
    kafka = world.kafka()
    log = read_log(kafka)
    truth = truth_of(emitter.ops, log, window=window)
    found = [
        check("I0", "what Kafka acknowledged stands in the log", len(log), lost(emitter.ops, emitter.outcomes, log))
    ]
    found += _usage(world, truth)
    found += _papers(world, emitter, settled_sec)
    found += [_rollup(world, view, rollups.view_sql(view)) for view in rollups.VIEWS]
    found.append(_rollup(world, rollups.ENTITY_VIEW, rollups.entity_sql()))
    if not wait_until(lambda: _looked(watch), timeout_sec=SETTLED_SEC, every_sec=1):
        watch.wrong.append("the last look found no answer")
    found.append(check("I4", "what the sink called stored was stored, at every look", watch.checked, watch.wrong))
    sums = sums_of(limits, truth.counted)
    found.append(_settled(lambda: _budgets(world, sums, truth), settled_sec))
    concluded = read_concluded(kafka, rerun.SIGNALS)
    alerts = _alerts(concluded)
    expected = thresholds(limits, sums, began_us=truth.began_us, ended_us=truth.ended_us)
    found += checks.alert_checks(alerts, expected)
    found.append(_settled(lambda: _stored_alerts(world, alerts), settled_sec))
    found.append(_healthy(world))
    world.rest()
    found += _again(world, concluded)
    return truth, found


def _looked(watch: Watch) -> bool:
    """Whether a look got its answers; on a loaded machine one may time out."""
    try:
        watch.look()
    except (KafkaUnavailableError, StoreUnavailableError, QueryError):
        return False
    return True


def _rows(world: World, query: str) -> list[dict[str, Any]]:
    return rows(world.found().clickhouse(), query)


def _usage(world: World, truth: Truth) -> list[Check]:
    expected = checks.usage_sums(truth)
    actual = checks.usage_rows(_rows(world, checks.USAGE_SUMS_SQL))
    stored = int(_rows(world, "SELECT count() AS n FROM usage_events")[0]["n"])
    ids = int(_rows(world, "SELECT uniqExact(source, id) AS n FROM usage_events")[0]["n"])
    letters = _rows(world, "SELECT partition, offset, reason FROM dead_letters WHERE topic = 'usage.events'")
    dead = {(int(row["partition"]), int(row["offset"])): str(row["reason"]) for row in letters}
    copies = len(truth.copies) + len(truth.revised) + len(truth.doubtful.keys() - dead.keys())
    dead = {place: reason for place, reason in dead.items() if truth.doubtful.get(place) != reason}
    produced = stored + len(letters) + copies
    sums = [] if produced == truth.records else [f"{stored} + {len(letters)} + {copies} != {truth.records}"]
    return [
        check("I1", "sums per minute, team and key equal the ledger", len(expected), checks.compare(expected, actual)),
        check("I1", "each event is there once", stored, [] if ids == stored else [f"{stored} rows, {ids} ids"]),
        check("I2", "counted + dead letters + copies = produced", truth.records, sums),
        check("I2", "dead letters and their reasons", len(truth.dead), checks.compare(truth.dead, dead)),
    ]


def _papers(world: World, emitter: Emitter, settled_sec: float) -> list[Check]:
    log = read_papers(world.kafka())
    truth, absent = papers.papers_truth(log), papers.missing(emitter.papers, log)
    return [
        check("I0", "outcomes and charges that were sent stand in the log", len(log), absent),
        papers.stored_check(papers.OUTCOMES, truth, _rows(world, papers.OUTCOMES_SQL)),
        papers.stored_check(papers.CHARGES, truth, _rows(world, papers.CHARGES_SQL)),
        papers.letters_check(truth, _rows(world, papers.LETTERS_SQL)),
        _settled(lambda: papers.debits_check(truth, _rows(world, papers.DEBITS_SQL)), settled_sec),
    ]


def _rollup(world: World, view: str, query: str) -> Check:
    (row,) = _rows(world, query)
    wrong = [f"{row['differing']} keys differ: {row['some']}"] if int(row["differing"]) else []
    return check("I3", f"{view} equals usage_events", int(row["keys"]), wrong)


def _budgets(world: World, sums: Mapping[PeriodKey, PeriodSum], truth: Truth) -> Check:
    expected = checks.budget_ledger(sums, began_us=truth.began_us)
    wrong = checks.compare(expected, checks.budget_rows(_rows(world, checks.BUDGETS_SQL)))
    return check("I7", "budget states equal the ledger", len(expected), wrong)


def _alerts(concluded: Concluded) -> list[Alert]:
    records = concluded.signals["alerts.budgets"][0]
    found = [CloudSignal.model_validate_json(record.value or b"").data for record in records]
    return [data for data in found if isinstance(data, Alert)]


def _stored_alerts(world: World, alerts: Sequence[Alert]) -> Check:
    expected = {(alert.alert_id, alert.seq): alert.status for alert in alerts}
    rows = _rows(world, "SELECT alert_id, seq, status FROM alert_events WHERE topic = 'alerts.budgets'")
    stored = {(str(row["alert_id"]), int(row["seq"])): str(row["status"]) for row in rows}
    missing = {key: stored[key] for key in expected if key in stored}
    return check("I5", "every alert is stored", len(expected), checks.compare(expected, missing))


def _again(world: World, concluded: Concluded) -> list[Check]:
    again, said = rerun.rerun(world.kafka(), concluded), rerun.said_by_lane(concluded)
    found = []
    for what, stage, topics in (
        ("alerts of burn", "burn", rerun.ALERTS),
        ("usage.rates", "burn", ("usage.rates",)),
        ("alerts and advice of patterns", "patterns", (*rerun.ALERTS, "control.advice")),
    ):
        lanes = [key for key in again if key[0] == stage and key[1] in topics]
        wrong = [f"{key}: {text}" for key in lanes if (text := rerun.difference(again[key], said[key]))]
        number = sum(len(again[key]) for key in lanes)
        found.append(check("I7", f"{what}: as a re-run over the recorded log, byte for byte", number, wrong))
    return found


def _healthy(world: World) -> Check:
    healthy = wait_until(lambda: world.look().health == "ok", timeout_sec=_HEALTHY_SEC)
    last = world.look()
    why = [] if healthy else [f"{part.name}: {part.health}, {part.why}" for part in last.components]
    return check("I12", "status is healthy afterwards", 1, why)


def faults_check(suffered: Sequence[Suffered]) -> Check:
    """What was seen during the faults: processes that did not end, a status that saw nothing."""
    wrong = [f"{one.at:%H:%M:%S} {one.fault}: {one.wrong}" for one in suffered if one.wrong]
    return check("I12", "no two workers side by side; status says so while something is down", len(suffered), wrong)


def _settled(make: Callable[[], Check], settled_sec: float) -> Check:
    return checks.eventually(make, lambda passes: wait_until(passes, timeout_sec=settled_sec, every_sec=2))
