"""What usage bought and what it was wasted on, on the real engine: the views against stories and brute force.

Long because one database, which is dear to make, answers all of them; each test begins with empty tables.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deploy.bench.waste import found_by_kind
from deploy.bench.waste_quarter import HEAVY, PROVEN, quarter
from deploy.valuing import unit
from schemas.internal import BatchHeaders
from schemas.money import pico_usd
from schemas.policies import Budget, PolicyChange
from schemas.value_policies import Allowance, BusinessCase
from sinks.audit_questions import audit_sections
from sinks.directory_rows import DIRECTORY_TABLE, directory_rows
from sinks.groups import RatedMessage
from sinks.queries import Query
from sinks.rows import store_rows
from sinks.signal_rows import TABLES
from sinks.store import Store
from sinks.value_findings import Name, findings, questions
from sinks.value_policy_rows import VALUE_POLICIES_TABLE, value_policy_rows
from sinks.value_questions import WASTE_BY, unit_costs, waste
from sinks.value_verdicts import Finding, Key
from streams.bridge.bridge import Cell, Sums, bridge
from tests.goodhart_stories import WEEK_APART_DAYS, WEEKS, Story, habits, performances, quadrants
from tests.judged_stories import chains, refused, staged
from tests.peer_stories import JUDGED_ON, peers
from tests.value_drawn import in_org, worlds
from tests.value_stories import planted_likely, planted_waste, wasteful
from tests.value_world import START, call, events_of, made_up, outcome, stored_outcomes, truth_of

pytestmark = pytest.mark.real
HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip


def put(store: Store, rows: pa.RecordBatch) -> None:
    """The rows as one group, inserted as the sink does."""
    group = uuid4().hex
    store.insert("usage_events_store", store_rows([RatedMessage(2, 7, HEADER, rows)], group_id=group), token=group)


def value_of(store: Store, words: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    """The store holds these outcomes and this usage."""
    put(store, events_of(calls))
    for table, rows in stored_outcomes(words):
        store.insert(table, rows)


def reviewed() -> list[dict[str, Any]]:
    """An operation and one of its two attempts have outcomes; a change is refused, approved, approved, merged."""
    hour = timedelta(hours=1)
    place: dict[str, Any] = {"team": "twice", "artifact": "reviewed"}
    return [
        outcome("t", team="twice", outcome_type="resolved_ticket", call="op-twice"),
        outcome("f", team="twice", outcome_type="feedback", call="call-900"),
        outcome("r1", at=START + hour, **place, outcome_type="accepted", accepted=False),
        outcome("r2", at=START + 2 * hour, **place, outcome_type="accepted", accepted=True),
        outcome("r3", at=START + 3 * hour, **place, outcome_type="accepted", accepted=True),
        outcome("m", at=START + 4 * hour, **place, accepted=True, value_usd="5"),
    ]


def test_an_outcome_costs_all_that_led_to_it_late_corrected_or_reverted(store: Store) -> None:
    """Ten days later, with corrections and reversals, over shared work: as brute force over the ledger says."""
    words, calls = made_up(7)
    words, calls = (
        words + reviewed() + chains(),
        calls
        + [
            call(number, operation_id="op-twice" if number < 902 else None, task="reviewed" if number == 902 else None)
            for number in (900, 901, 902)
        ],
    )
    value_of(store, words, calls)
    truth = truth_of(words, calls)
    columns = "outcome_id, outcome_type, team, artifact, requests, unpriced_requests, cost_usd, value_usd, failed"
    told = store.arrow(f"SELECT {columns} FROM outcome_costs", {}).to_pylist()
    reviews = [line for line in told if line["team"] == "twice"]
    assert {line["outcome_type"]: (line["cost_usd"], line["failed"], line["value_usd"]) for line in reviews} == {
        "accepted": (Decimal(1), False, None),  # refused, then approved twice: one success
        "feedback": (Decimal(1), False, None),  # of one attempt
        "merged": (Decimal(1), False, Decimal(5)),
        "resolved_ticket": (Decimal(2), False, None),  # of both, though somebody names one of them
    }
    assert len(reviews) == 4
    chained = {line["artifact"]: line["failed"] for line in told if line["team"] == "chains"}
    assert chained == {"long-0": True, "refused/0": False} | {f"of-{n}/0": n % 2 == 1 for n in range(6)}
    standing = "SELECT artifact, stands FROM reverts WHERE startsWith(artifact, 'ring') ORDER BY 1"
    assert store.rows(standing) == [(f"ring/{n}", True) for n in range(3)]
    assert {line["outcome_id"]: (line["requests"], line["unpriced_requests"], line["cost_usd"]) for line in told} == {
        id_: (cost.requests, cost.unpriced, cost.known_usd) for id_, cost in truth.costs.items()
    }
    assert {line["outcome_id"] for line in told if line["failed"]} == truth.failed
    sums = "sum(with_outcome_usd), sum(without_outcome_usd), sum(unattributed_usd), sum(cost_usd)"
    [spent] = store.rows(f"SELECT {sums} FROM outcome_coverage")
    assert spent[:3] == (truth.with_outcome_usd, truth.without_outcome_usd, truth.unattributed_usd)
    assert sum(spent[:3]) == spent[3] == store.rows("SELECT sum(toDecimal128(cost_usd, 12)) FROM usage_events")[0][0]
    known: dict[str, Decimal] = defaultdict(Decimal)
    for line in told:
        known[line["outcome_type"]] += line["cost_usd"] or 0
    assert max(known.values()) <= spent[0]
    told_by_view = {
        (kind, team, use_case): costs
        for kind, team, use_case, *costs in store.rows(
            "SELECT outcome_type, team, use_case, cost_per_success_usd, cost_per_success_low_usd,"
            " cost_per_success_high_usd FROM unit_costs"
        )
    }
    for line in rows_of(store, unit_costs(["team", "use_case"], since=None, until=None, filters={})):
        found = unit(line)
        ours = [found[f"cost_per_success_{name}usd"] for name in ("", "low_", "high_")]
        theirs = told_by_view[line["outcome_type"], line["team"], line["use_case"]]
        assert [cost and float(cost) for cost in theirs] == pytest.approx([cost and float(cost) for cost in ours])
    for name in ("month", "model"):
        by_name = rows_of(store, unit_costs([name], since=START, until=None, filters={"org": "acme"}))
        assert sum(line["cost_usd"] or 0 for line in by_name) == sum(known.values()), name


@settings(  # not shrunk: of eight worlds at once, with an engine, that takes minutes
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(worlds(), min_size=8, max_size=8))
def test_costs_of_outcomes_are_brute_force_over_the_ledger(store: Store, made: list[Any]) -> None:
    """Whatever is late, corrected in any order, reverted, shared or taken back: exact per outcome and per type."""
    example = uuid4().hex  # organisations of its own: what earlier examples left is none of theirs
    ours = {f"{example}-{number}": in_org(world, f"{example}-{number}") for number, world in enumerate(made)}
    value_of(store, [w for words, _ in ours.values() for w in words], [c for _, calls in ours.values() for c in calls])
    columns = "outcome_id, requests, unpriced_requests, cost_usd, failed, outcome_type"
    asked = f"SELECT org, {columns} FROM outcome_costs WHERE startsWith(org, '{example}')"
    told: dict[str, list[Any]] = {org: [] for org in ours}
    for org, *row in store.rows(asked):
        told[org].append(row)
    sums = {
        (org, kind): rest
        for org, kind, *rest in store.rows(
            "SELECT org, outcome_type, sum(with_cost), sum(cost_usd), sum(failed) FROM unit_costs"
            f" WHERE startsWith(org, '{example}') GROUP BY org, outcome_type"
        )
    }
    for org, (words, calls) in ours.items():
        truth = truth_of(words, calls)
        assert {id_: tuple(costs) for id_, *costs, _, _ in told[org]} == {
            id_: (cost.requests, cost.unpriced, cost.known_usd) for id_, cost in truth.costs.items()
        }
        assert {id_ for id_, *_, failed, _ in told[org] if failed} == truth.failed
        for kind in {kind for *_, kind in told[org]}:
            ids = {id_ for id_, *_, of in told[org] if of == kind}
            known = [cost for id_ in ids if (cost := truth.costs[id_].known_usd) is not None]
            assert sums[org, kind] == [len(known), sum(known) if known else None, len(truth.failed & ids)]


def test_waste_is_what_was_planted_and_nothing_beside_it(store: Store) -> None:
    """Every planted kind is found and no look-alike; dollars are claimed once, where proven, and to the last digit."""
    words, calls, planted = planted_waste()
    words, calls = [mine + others for mine, others in zip((words, calls), refused(), strict=True)]
    value_of(store, words, calls)
    found = store.rows("SELECT id, kind, evidence, cost_usd, recoverable_usd FROM waste_findings")
    assert {id_: kind for id_, kind, *_ in found} == planted
    assert len(found) == len(planted)
    costs = {one["id"]: one["cost_usd"] for one in calls}
    assert {id_: cost for id_, _, _, cost, _ in found} == {id_: costs[id_] for id_ in planted}
    proven = {id_: cost for id_, _, evidence, _, cost in found if evidence == "proven"}
    assert proven == {id_: costs[id_] for id_, kind in planted.items() if kind != "missed_prompt_cache"}
    assert {cost for *_, evidence, _, cost in found if evidence != "proven"} == {None}
    [(used,)] = store.rows("SELECT sum(toDecimal128(cost_usd, 12)) FROM usage_events")
    assert sum(cost for _, _, _, cost, _ in found) < used == sum(costs.values())
    told = rows_of(store, waste(WASTE_BY, since=START, until=None, filters={"org": "acme"}))
    assert sum(line["recoverable_usd"] or 0 for line in told) == sum(proven.values())
    excluded = dict(store.rows("SELECT id, reasons FROM training_exclusions"))
    assert {id_ for id_, kind in planted.items() if kind != "missed_prompt_cache"} <= excluded.keys()
    rejected = [one for one in calls if "rejected" in excluded.get(one["id"], [])]
    assert [(one["task"], one["run"], one["session"]) for one in rejected[-3:]] == [
        ("refused", None, None), (None, "refused", None), (None, None, "refused"),
    ]  # fmt: skip
    judged = {word["data"].get("call") for word in words if word["data"].get("accepted") is False}
    assert all(judged & {one["id"], one["operation_id"]} for one in rejected[:-3])
    assert len(rejected) == 4 + 3


def test_changes_go_through_their_stages(store: Store) -> None:
    """Stages, reviews, findings and rates of changes; what is closed, taken back or says nothing counts as that."""
    words, calls = staged()
    value_of(store, words, calls)
    stages = "changes, suggested, accepted, merged, closed_unmerged, released, reverted, merged_without_review"
    assert store.rows(f"SELECT {stages} FROM code_funnel") == [(4, 3, 2, 2, 1, 1, 1, 1)]
    found = "findings_in_merged, open_findings_in_merged, findings_to_merged_ratio"
    assert store.rows(f"SELECT {found} FROM code_funnel") == [(2, 1, 1.0)]
    assert store.rows("SELECT artifact, reviewers, findings FROM changes WHERE merged_at IS NOT NULL ORDER BY 1") == [
        ("a", ["ben"], 1),
        ("b", [], 1),
    ]
    assert store.rows("SELECT artifact, user, risk FROM review_gap") == [("b", "ana", "high")]
    rates = "outcomes, accepted, rejected, undecided, with_intervention, intervention_known"
    assert store.rows(f"SELECT {rates} FROM outcome_rates WHERE outcome_type = 'merged'") == [(3, 2, 1, 0, 1, 2)]
    assert store.rows("SELECT metric, value, unit, use_case_cost_usd FROM metrics ORDER BY metric") == [
        ("cycle_time", Decimal("3.5"), "hours", Decimal(2)),
        ("escalations", Decimal(4), "", None),
    ]
    assert store.rows("SELECT cost_usd, value_usd, minutes_claimed, minutes_captured FROM value_dashboard") == [
        (
            Decimal(2),
            Decimal(8 - 3),
            Decimal("90.5") + 12,
            None,
        )  # each change once; what was reverted brings damage only
    ]


def rows_of(store: Store, asked: Query) -> list[dict[str, Any]]:
    """The rows of a question as dictionaries."""
    found: list[dict[str, Any]] = store.arrow(asked.sql, asked.parameters).to_pylist()
    return found


def found_at(store: Store, name: Name, *, day: int, held: Collection[Key] = ()) -> list[Finding]:
    """What the answer to one of the questions of the night after so many days leads to."""
    asked = questions(START + timedelta(days=day, hours=19))
    answers = {one: rows_of(store, query) if one in {name, "owners"} else [] for one, query in asked}
    return findings(answers, held=held)


DRIVERS = ("volume", "retries", "model_mix", "cache", "tokens_per_call", "cost_per_token")
PRODUCT = ("provider", "model", "service_tier", "inference_region", "region")
HALF = timedelta(days=5)


def pure_bridge(calls: list[dict[str, Any]]) -> tuple[dict[str, int], int]:
    """The terms as streams/bridge says them, with all tokens as one part of a call; and how many kinds there are."""
    sides: tuple[dict[Cell, Sums], dict[Cell, Sums]] = ({}, {})
    for one in calls:
        if one["cost_usd"] is None or not START <= one["ts"] < START + 2 * HALF:
            continue
        product = tuple(one[name] or "" for name in PRODUCT)
        cell = Cell((one["attempt"] or 1) > 1, product, bool(one["gateway_cache_hit"]), 0)
        sums = sides[one["ts"] >= START + HALF].setdefault(cell, Sums())
        sums.calls += 1
        tokens = one["input_tokens"] + one["output_tokens"]
        for mine, amount in ((sums.counts, tokens), (sums.costs_pico_usd, pico_usd(one["cost_usd"]))):
            mine["input_uncached_tokens"] = mine.get("input_uncached_tokens", Fraction(0)) + amount
    found = bridge(*sides).terms_pico_usd
    named = {name: found[name] for name in DRIVERS[:4]}
    named |= {"tokens_per_call": found["input_length"], "cost_per_token": found["price"] + found["other"]}
    return named, len(sides[0] | sides[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_view_of_the_bridge_is_the_rule_of_the_bridge(store: Store, seed: int) -> None:
    """Its terms add up to the change exactly; each is what the pure rule says, but for pico-dollars of rounding."""
    _, calls = made_up(seed, words=0, calls=300)
    for number, one in enumerate(calls):
        one |= {"attempt": (None, 1, 2)[number % 3], "gateway_cache_hit": number % 7 == 0}
        one |= {"input_uncached_tokens": 100 + number, "input_tokens": 100 + number + one["input_cache_read_tokens"]}
        if one["team"] == "ops" and one["ts"] >= START + HALF:  # models come and go, a use case begins
            one |= {"model": {"o3": "o5"}.get(one["model"], one["model"]), "use_case": one["use_case"] or "new"}
        if one["team"] == "code" and one["use_case"] is None:
            one["attempt"] = 2
    put(store, events_of(calls))
    times = [(START + HALF * n).strftime("%Y-%m-%d %H:%M:%S") for n in (1, 2, 0, 1)]
    asked = "spend_bridge(since = '{}', until = '{}', before_since = '{}', before_until = '{}')".format(*times)
    told: dict[Any, dict[str, int]] = {}
    columns = "team, use_case, driver, change_usd, before_usd, after_usd"
    for team, use_case, driver, change, before, after in store.rows(f"SELECT {columns} FROM {asked}"):
        told.setdefault((team, use_case, after - before), {})[driver] = pico_usd(change)
    assert {place[:2] for place in told} == {(o["team"], o["use_case"] or "") for o in calls}
    for (team, use_case, difference), terms in told.items():
        assert sum(terms.values()) == pico_usd(difference)
        own = [one for one in calls if (one["team"], one["use_case"] or "") == (team, use_case)]
        pure, kinds = pure_bridge(own)
        assert terms.keys() == pure.keys() == set(DRIVERS)
        assert all(abs(terms[name] - term) <= kinds + 1 for name, term in pure.items()), (terms, pure)
    signed = f"sum(if(ts >= '{times[0]}', 1, -1) * toDecimal128(cost_usd, 12))"
    window = f"ts >= '{times[2]}' AND ts < '{times[1]}'"
    [change] = store.rows(f"SELECT sum(change_usd) FROM {asked}")
    assert [change] == store.rows(f"SELECT {signed} FROM usage_events WHERE {window}")


def test_likely_waste_is_what_was_planted_and_nothing_beside_it(store: Store) -> None:
    """Each kind is found and no look-alike; none is recoverable; a tier down has a measured price."""
    words, calls, planted = planted_likely()
    value_of(store, words, calls)
    found = store.rows("SELECT id, kind, cost_usd, recoverable_usd FROM waste_findings")
    assert {id_: kind for id_, kind, *_ in found} == planted
    assert {recoverable for *_, recoverable in found} == {None}
    tiers = [cost for _, kind, cost, _ in found if kind == "over_tiered_model"]
    assert sorted(tiers) == [Decimal("0.25"), *[Decimal("1.5")] * 20]
    advice = "task_class, model, cheaper_model, success_ratio, cheaper_success_ratio, saving_usd"
    assert store.rows(f"SELECT {advice} FROM routing_advice") == [
        ("as good", "large", "small", 0.5, 0.8, Decimal(43) - Decimal("0.5") * 23)
    ]


@pytest.mark.parametrize("seed", range(2))
def test_findings_are_never_more_than_the_spend(store: Store, seed: int) -> None:
    """Whatever calls and outcomes say: a call has one finding at most, of at most its cost; so of every sum of them."""
    words, calls = wasteful(seed)
    value_of(store, words, calls)
    costs = {one["id"]: one["cost_usd"] or Decimal(0) for one in calls}
    found = store.rows("SELECT id, kind, ifNull(cost_usd, 0), ifNull(recoverable_usd, 0) FROM waste_findings")
    assert len({kind for _, kind, *_ in found}) >= 5
    assert len({id_ for id_, *_ in found}) == len(found)
    assert all(0 <= recoverable <= cost <= costs[id_] for id_, _, cost, recoverable in found)


def test_who_only_performs_is_found_and_who_works_is_not(store: Store) -> None:
    """Rushes, volume without outcomes, off-task bursts: of five people and more, outcomes known."""
    words, calls, expected = performances()
    value_of(store, words, calls)
    promised = Budget(
        id="promised", org="acme", scope={"team": "promised"}, limit=Decimal(9), period="quarter", commitment=True
    )
    plain = promised.model_copy(update={"id": "plain", "scope": {"team": "promised nothing"}, "commitment": False})
    store.insert(VALUE_POLICIES_TABLE, value_policy_rows([(0, changed(promised, plain))]))
    for name in ("promised", "plain"):
        until = -10 * 24  # the 20th of November
        store.insert("budget_states_store", budget_state(name, ends_hour=until, spent=Decimal(0)))
    asked = dict(questions(START + timedelta(days=35, hours=19)))["performing"]
    rows = rows_of(store, asked)  # of four weeks, which hold all of them
    assert [(row["team"], row["kind"]) for row in rows] == sorted(expected)
    [rush] = [row for row in rows if row["team"] == "rush"]
    assert (rush["tokens"], rush["usual_tokens"]) == (11_000, 5_000)
    assert (rush["since"], rush["until"]) == (date(2026, 11, 28), date(2026, 12, 1))
    none: list[dict[str, Any]] = []
    silent: dict[Name, list[dict[str, Any]]] = dict.fromkeys(("quadrants", "waste", "quality", "owners", "peers"), none)
    told = findings({**silent, "performing": rows}, held=())
    assert {(one.rule, one.entity_id, one.level) for one in told} == {("goodhart", *one) for one in expected}


def test_quadrants_move_with_hysteresis_and_have_owners(store: Store) -> None:
    """Cost and value in between leave a use case where it was; few values known are uncertain, not low."""
    words, calls, expected = quadrants()
    value_of(store, words, calls)
    promised = BusinessCase(
        id="edge-2026", org="acme", use_case="edge", owner="ops@acme", starts=date(2026, 11, 1), ends=date(2026, 12, 5),
        cost_usd_per_month=Decimal(10), value_usd_per_month=Decimal(20), metric="cycle_time", baseline=Decimal(8),
    )  # fmt: skip
    allowed = Allowance(**ALLOWED, id="a", usd_per_month=Decimal(2))
    for offset, change in enumerate((changed(promised), changed(allowed))):
        store.insert(VALUE_POLICIES_TABLE, value_policy_rows([(offset, change)]))
    told = store.rows("SELECT week, use_case, advice, owner FROM value_quadrants")
    begins = [START.date() + timedelta(weeks=number * WEEK_APART_DAYS // 7) for number in range(len(WEEKS))]
    assert sorted({(sum(begin <= week for begin in begins) - 1, *said) for week, *said, _ in told}) == expected
    assert len(told) == 3 * (4 * (len(WEEKS) - 1) + 1)  # as long as the 28 days hold anything, though nothing happens
    assert {(use_case, owner) for _, use_case, _, owner in told} == {("edge", "ops@acme"), ("cheap", ""), ("rest", "")}
    put(store, events_of([call(9999, org="silent", cost_usd="99", team="other")]))  # says nothing of what came of it
    nights = [found_at(store, "quadrants", day=day) for day in (12, 13, 69)]  # what came of it may come a week later
    assert [[(one.rule, one.entity_id, one.owner, one.value) for one in found] for found in nights] == [
        [],
        [("intervention", "rest", None, Decimal(88))],
        [("low_value", "edge", "ops@acme", Decimal(11)), ("intervention", "rest", None, Decimal(88))],
    ]
    held = {("low_value", "silent", "use_case", "checkout", "stop", "")}
    [silent] = (one for one in found_at(store, "quadrants", day=13, held=held) if one.org == "silent")
    assert (silent.rule, silent.value) == ("low_value", Decimal(99))  # what is not known ends nothing
    cases = "month, promised_cost_usd, cost_usd, promised_value_usd, value_usd, minutes_captured, baseline"
    assert store.rows(f"SELECT {cases} FROM business_cases ORDER BY month") == [
        (date(2026, 11, 1), 10, 11, 20, Decimal("11.1"), None, 8),
        (date(2026, 12, 1), 10, 8, 20, Decimal("7.6"), None, 8),
    ]
    removed = changed(removes=(("business_case", "acme", "edge-2026"),))
    store.insert(VALUE_POLICIES_TABLE, value_policy_rows([(7, removed)]))
    assert store.rows("SELECT count() FROM business_cases") == [(0,)]


def test_who_costs_four_times_as_much_as_peers_is_told_unless_it_is_worth_it(store: Store) -> None:
    """Of six and more, beside what came of it; discovery within its allowance and whoever is new are left alone."""
    made = peers()
    value_of(store, made.story.words, made.story.calls)
    store.insert(DIRECTORY_TABLE, directory_rows([(0, changed(*made.directory))]))
    store.insert(VALUE_POLICIES_TABLE, value_policy_rows([(0, changed(*made.allowances))]))
    found = found_at(store, "peers", day=JUDGED_ON)
    assert {one.entity_id: (one.level, one.evidence.get("reason")) for one in found} == {
        who: ("explained", reason) if reason else ("without_value", None) for who, reason in made.said.items()
    }
    assert {one.entity_id for one in found if one.notify} == {who for who, reason in made.said.items() if not reason}
    [told] = [one for one in found if one.entity_id == "on call 0-0"]
    assert (told.value, told.threshold, told.evidence["peers"]) == (Decimal(160), Decimal(160), "5")
    [told] = [one for one in found if one.entity_id == "four times-0"]
    assert told.message == (
        "user four times-0 cost 160.00 USD in 28 days, 4.0 times the median of 5 others of team four times (40.00);"
        " successes 1, theirs 5 for 200.00 USD, and less came of it: ask what it was for"
    )
    assert found_at(store, "peers", day=JUDGED_ON - 1) == []  # what came of it may still come


ALLOWED: dict[str, Any] = {"org": "acme", "starts": date(2026, 11, 1)}


def test_discovery_cohorts_peaks_and_machines_of_ones_own(store: Store) -> None:
    """Discovery beyond its allowance; cohorts of five; who fills peaks; what local models would have cost."""
    story = Story()
    for team, usd in (("one", "3"), ("other", "1"), ("strange", "9")):
        story.use(team, 0, 10, spend_class="discovery", cost_usd=usd, use_case="trial")
    for cohort, people in (("old", 5), ("new", 4)):
        for person in range(people):
            story.use(cohort, 1, 10, person=person, tags=[("cohort", cohort)], use_case="daily", cost_usd="2")
    for hosting, tokens, usd in (("local", 300, "0.5"), ("cloud", 100, "1")):
        story.use("code", 2, tokens, hosting=hosting, task_class="sort", cost_usd=usd, use_case="peak")
    for hosting, work, cost in (("local", "alone", "0.1"), ("local", "unpriced", None), ("cloud", "unpriced", "1")):
        story.use("code", 2, 40, hosting=hosting, task_class=work, cost_usd=cost, use_case="peak")
    story.use("code", 1, 5, task_class="sort", use_case=None)
    value_of(store, [], story.calls)
    over = ALLOWED | {"starts": date(2026, 1, 1), "ends": date(2026, 11, 1)}
    allowances = (
        Allowance(**ALLOWED, id="all", usd_per_month=Decimal(2)),
        Allowance(**ALLOWED, id="x", team="one", usd_per_month=Decimal(1)),
        Allowance(**over, id="over", team="strange", usd_per_month=Decimal(9)),
    )
    store.insert(VALUE_POLICIES_TABLE, value_policy_rows([(0, changed(*allowances))]))
    told = store.rows("SELECT team, discovery_usd, allowance_usd, beyond_usd FROM discovery_allowances ORDER BY team")
    assert told == [("one", 3, 1, 2), ("other", 1, 2, 0), ("strange", 9, 2, 7)]
    assert store.rows("SELECT cohort, people, requests, cost_usd FROM cohorts") == [("old", 5, 5, 10)]
    shares = store.rows("SELECT use_case, tokens, peak_tokens, peak_share FROM peak_share ORDER BY use_case")
    assert shares == [("", 5, 0, 0), ("daily", 90, 0, 0), ("peak", 520, 520, 1), ("trial", 30, 0, 0)]
    offload = "task_class, local_usd, local_at_cloud_price_usd, saved_usd"
    assert store.rows(f"SELECT {offload} FROM local_offload ORDER BY task_class") == [
        ("alone", Decimal("0.1"), None, None),  # the cloud does none of it
        ("sort", Decimal("0.5"), 3, Decimal("2.5")),
        ("unpriced", 0, 1, None),
    ]
    counted = "sum(requests), sum(with_use_case), sum(classified), sum(cost_usd), sum(classified_usd)"
    assert store.rows(f"SELECT {counted} FROM classification") == [(18, 17, 5, Decimal("34.6"), Decimal("2.6"))]
    assert store.rows("SELECT sum(input_tokens), sum(read_tokens) FROM cache_use") == [(645, 0)]


def test_trends_habits_and_drops_of_quality_are_told(store: Store) -> None:
    """Tokens of a success by week, models by work, people of one model, answers that became worse; nothing else."""
    words, calls = habits()
    value_of(store, words, calls)
    trend = "succeeded, tokens, tokens_per_success, usd_per_success, tokens_to_week_before_ratio"
    assert store.rows(f"SELECT {trend} FROM efficiency ORDER BY week") == [
        (1, 300, 300.0, Decimal(1), None),
        (4, 1680, 420.0, Decimal("1.25"), 1.4),
        (2, 200, 100.0, Decimal(1), None),  # nothing came of the week before, and of one the cost is not known
    ]
    mix = "model, requests, rerouted_requests, cost_usd, cost_share, cheaper_model"
    assert store.rows(f"SELECT {mix} FROM model_mix WHERE use_case = 'chat' AND task_class = 'class-1' ORDER BY 1") == [
        ("large", 84, 0, Decimal(84), 84 / 90, ""),
        ("small", 6, 6, Decimal(6), 6 / 90, ""),
    ]
    names = "SELECT model, rerouted_requests FROM model_mix WHERE use_case = 'names' ORDER BY model"
    assert store.rows(names) == [("large-1", 1), ("large-2026", 0), ("large-2026-08-06", 0), ("large-mini", 1)]
    habit = "team, people, of_one_model, of_one_model_ratio, models"
    assert store.rows(f"SELECT {habit} FROM model_affinity") == [("habit", 5, 3, 0.6, 2)]
    drops = "use_case, what, cases, ratio, cases_before, ratio_before"
    assert store.rows(f"SELECT {drops} FROM quality_drops") == [("worse", "rejected", 20, 0.5, 20, 0.0)]
    assert [one.level for one in found_at(store, "quality", day=42)] == ["resolved_ticket/rejected"]


def changed(*sets: Any, removes: tuple[Any, ...] = ()) -> PolicyChange:
    """A change of policies."""
    return PolicyChange(change_id="c", actor="a", at="2026-11-02T00:00:00Z", files=(), sets=sets, removes=removes)


def test_a_quarter_of_planted_waste_is_found_and_nothing_else(store: Store) -> None:
    """Of each proven kind at least 90 % of the planted dollars, never more than them; nothing on the heavy user."""
    made = quarter(1)
    value_of(store, made.words, made.calls)
    found = store.rows("SELECT id, kind, recoverable_usd FROM waste_findings")
    assert {id_: kind for id_, kind, _ in found}.items() <= made.planted.items()
    lines = found_by_kind(made, [(id_, kind, usd) for id_, kind, usd in found])
    assert {line.kind for line in lines} == set(PROVEN)
    for line in lines:
        assert line.planted_usd * 9 / 10 <= line.claimed_usd <= line.planted_usd, line
        assert (line.not_planted_calls, line.of_the_heavy_user) == (0, 0)
    spent = {user: sum(one["cost_usd"] for one in made.calls if one["user"] == user) for user in (HEAVY, "ana")}
    assert spent[HEAVY] > 3 * spent["ana"]
    [told] = found_at(store, "waste", day=90)
    last = {one["id"] for one in made.calls if 63 <= (one["ts"].date() - START.date()).days < 91}
    assert told.value == sum(usd for id_, _, usd in found if id_ in last)


def test_every_question_of_the_audit_is_answered(store: Store) -> None:
    """Each section has its rows, of the month and the organisation alone; what began in it without a call, too."""
    words, calls = staged()
    unpriced = call(101, team="ops", cost_usd=None, use_case="lab", cost_center="cc-1", ceiling_cost_usd=Decimal(3))
    other = call(100, org="other", team="x")
    value_of(store, words, [*calls, call(99, at=START - timedelta(days=30)), other, unpriced])
    for offset, (name, starts, ends) in enumerate((("never", 1, None), ("next", 32, None), ("gone", -30, 0))):
        days = [None if day is None else date(2026, 10, 31) + timedelta(days=day) for day in (starts, ends)]
        case = BusinessCase(
            id=name, org="acme", use_case=name, owner="eve", starts=days[0] or START.date(), ends=days[1]
        )
        store.insert(VALUE_POLICIES_TABLE, value_policy_rows([(offset, changed(case))]))
    for name, ends_hour, spent in (("berlin", 23, "9"), ("later", 36, "1")):
        store.insert("budget_states_store", budget_state(name, ends_hour=ends_hour, spent=Decimal(spent)))
    since = START.replace(day=1, hour=0)
    told, everybody = (
        {
            one.title: rows_of(store, one.asked)
            for one in audit_sections(since, since + timedelta(days=30), org=org)
            if org or one.title in {"Spend and coverage", "Owners of use cases"}
        }
        for org in ("acme", None)
    )
    assert [line["requests"] for line in everybody["Spend and coverage"]] == [3, 1]
    assert sum(line["requests"] for line in everybody["Owners of use cases"]) == 4
    [spend] = told["Spend and coverage"]
    assert (spend["without_cost"], spend["cost_usd"], spend["unknown_at_most_usd"]) == (1, Decimal(2), Decimal(3))
    booked = [(line["cost_center"], line["without_cost"], line["cost_usd"]) for line in told["Spend by cost center"]]
    assert booked == [("", 0, Decimal(2)), ("cc-1", 1, Decimal(0))]
    assert [line["cost_usd"] for line in told["Price versions"]] == [Decimal(2), None]
    assert sum(line["requests"] for line in told["Owners of use cases"]) == 3
    assert [(line["business_case"], line["cost_usd"]) for line in told["Business cases"]] == [("never", None)]
    assert [(line["budget_id"], line["beyond"]) for line in told["Budgets"]] == [("berlin", 1)]
    assert [line["changes"] for line in told["Exceptions: merged without review"]] == [1]


def budget_state(name: str, *, ends_hour: int, spent: Decimal) -> pa.Table:
    """The state of a budget of 5 whose period ends so many hours into the last day of November."""
    ends = START.replace(day=30, hour=0) + timedelta(hours=ends_hour)
    state: dict[str, Any] = dict.fromkeys(TABLES["budget_states_store"].names)
    state |= {"org": "acme", "budget_id": name, "member": "", "period_start": START, "period_end": ends, "at": ends}
    state |= dict.fromkeys(("unit", "status", "owner"), "") | {"limit": Decimal(5), "spent": spent}
    state |= dict.fromkeys(("requests", "unpriced_requests", "policy_offset", "src_partition", "src_offset"), 0)
    return pa.Table.from_pylist([state], schema=TABLES["budget_states_store"])
