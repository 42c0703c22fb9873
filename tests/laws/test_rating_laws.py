"""The laws of the rating stage: nothing is lost or counted twice, sums agree, cuts do not matter, nothing raises."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.internal import DELTA_COUNTS, MONEY_PAIRS
from schemas.policies import ENTITY_TYPES, Budget, Horizon
from schemas.topics import BY_NAME
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from streams.ports import SourceRecord, StepResult
from streams.rating.stage import RatingLane
from tests.laws.rating_events import (
    batch,
    dead_letters_of,
    deltas_of,
    event,
    new_lane,
    raw,
    records,
    rows_of,
    sent,
    step,
    tokens,
    usage_events,
)

POLICIES = (
    Budget(id="org", org="acme", limit=1),
    Budget(id="team-a", org="acme", scope={"team": "a"}, limit=1),
    Budget(id="team-a-openai", org="acme", scope={"team": "a", "provider": "openai"}, limit=1),
    Budget(id="each-user", org="acme", each="user", limit=1),
    Budget(id="each-user", org="globex", scope={"team": "b"}, each="user", limit=1),
    Budget(id="nobody", org="hooli", limit=1),
    Budget(id="pools", org="acme", limit=1, multipliers={"a": 3, "b": 0}),
    Budget(id="user-pools", org="globex", each="user", limit=1, multipliers={"b": 2}),
    Horizon(org="globex", live_horizon_sec=60),
)
garbage = st.sampled_from([None, b"", b"null", b"{}", b"\xff", b'{"specversion"', raw(event(model=None))])
values = st.lists(usage_events().map(raw) | garbage, max_size=25)
any_bytes = st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(lambda value: json.dumps(value).encode())


def cut(some: Sequence[SourceRecord], at: Sequence[int]) -> list[Sequence[SourceRecord]]:
    """The records in batches, cut at these places."""
    ends = sorted({min(place, len(some)) for place in at} | {0, len(some)})
    return [some[a:b] for a, b in pairwise(ends)]


def run(lane: RatingLane, batches: Sequence[Sequence[SourceRecord]]) -> list[StepResult]:
    """The results of these batches."""
    return [lane.step(batch(some)) for some in batches]


def merged(results: Sequence[StepResult]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The deltas of several batches as burn adds them up."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in (row for result in results for row in deltas_of(result)):
        key = tuple(row[name] for name in ("org", "entity_type", "entity_id", "member", "bucket_us", "live"))
        if key not in found:
            found[key] = row
            continue
        into = found[key]
        for name in DELTA_COUNTS:
            into[name] += row[name]
        for micro, remainder in MONEY_PAIRS:
            carry, into[remainder] = divmod(into[remainder], 10**6)
            into[micro] += carry
        into["first_us"], into["last_us"] = min(into["first_us"], row["first_us"]), max(into["last_us"], row["last_us"])
        for name in ("user_hashes", "address_hashes"):
            into[name] = sorted({*into[name], *row[name]})[:16]
    return found


@settings(max_examples=20, deadline=None)
@given(values)
def test_dead_letters_and_copies_and_rows_are_all_records(some: list[bytes | None]) -> None:
    """Each record becomes a row, a dead letter or a dropped copy, and only one of them."""
    lane = new_lane(*POLICIES)
    result = step(lane, some)
    assert len(some) == len(rows_of(result)) + len(dead_letters_of(result)) + lane.copies_dropped


@settings(max_examples=20, deadline=None)
@given(values, st.lists(st.integers(0, 25), max_size=4), st.sampled_from([3, 7, 1000]))
def test_cuts_of_batches_do_not_matter(some: list[bytes | None], at: list[int], window: int) -> None:
    """However the log is cut into batches: the same rows, the same dead letters, deltas that merge to the same."""
    log = records(some)
    whole = run(new_lane(*POLICIES, window_events=window), [log])
    parts = run(new_lane(*POLICIES, window_events=window), cut(log, at))
    assert [row for result in whole for row in rows_of(result)] == [row for result in parts for row in rows_of(result)]
    assert [one for result in whole for one in dead_letters_of(result)] == [
        one for result in parts for one in dead_letters_of(result)
    ]
    assert merged(whole) == merged(parts)


@settings(max_examples=12, deadline=None)
@given(values)
def test_the_same_log_gives_the_same_bytes(some: list[bytes | None]) -> None:
    """A step is a pure function of records, policies and window: equal outputs, byte for byte."""
    first, second = (step(new_lane(*POLICIES), some) for _ in range(2))
    assert first == second


@settings(max_examples=20, deadline=None)
@given(values)
def test_sums_of_deltas_are_sums_of_rows(some: list[bytes | None]) -> None:
    """Deltas of entities are the sums of rows that name one; of budgets, of rows that match, as often as they count."""
    result = step(new_lane(*POLICIES), some)
    rows, deltas = rows_of(result), deltas_of(result)
    for entity_type in ENTITY_TYPES:
        expected = totals([row for row in rows if row[entity_type] is not None])
        assert expected == added([delta for delta in deltas if delta["entity_type"] == entity_type])
    for budget in (policy for policy in POLICIES if isinstance(policy, Budget)):
        matching = [
            row
            for row in rows
            if row["org"] == budget.org
            and all(row[name] == value for name, value in budget.scope.items())
            and (budget.each is None or row[budget.each] is not None)
        ]
        found = [d for d in deltas if (d["entity_type"], d["entity_id"], d["org"]) == ("budget", budget.id, budget.org)]
        weighted = [row for row in matching for _ in range(budget.multipliers.get(row["pool"], 1))]
        assert totals(weighted) == added(found)
        assert {row[budget.each] if budget.each else None for row in matching} == {delta["member"] for delta in found}


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    """What deltas of these rows must add up to; money in pico-USD, under the first name of its pair."""
    return {
        "requests": len(rows),
        "errors": sum(row["status"] == "error" for row in rows),
        "unpriced_requests": sum(row["pricing_status"].startswith("unpriced") for row in rows),
        "input_tokens": sum(row["input_tokens"] or 0 for row in rows),
        "output_tokens": sum(row["output_tokens"] or 0 for row in rows),
        "cache_read_tokens": sum(row["input_cache_read_tokens"] or 0 for row in rows),
        "cache_write_tokens": sum(row[name] or 0 for row in rows for name in INPUT_LEAVES if "write" in name),
        "reasoning_tokens": sum(row["output_reasoning_tokens"] or 0 for row in rows),
        "cost_micro_usd": sum(int((row["cost_usd"] or 0) * 10**12) for row in rows),
        "ceiling_micro_usd": sum(int((row["ceiling_cost_usd"] or 0) * 10**12) for row in rows),
    }


def added(deltas: list[dict[str, Any]]) -> dict[str, int]:
    """What these deltas add up to."""
    assert all(0 <= delta[remainder] < 10**6 for delta in deltas for _, remainder in MONEY_PAIRS)
    sums = {name: sum(delta[name] for delta in deltas) for name in DELTA_COUNTS}
    return sums | {micro: sums[micro] * 10**6 + sums.pop(remainder) for micro, remainder in MONEY_PAIRS}


@settings(max_examples=20, deadline=None)
@given(values)
def test_leaves_of_a_row_add_up_to_its_totals(some: list[bytes | None]) -> None:
    """A side is known with all its leaves, which add up to it, or missing with all of them."""
    for row in rows_of(step(new_lane(), some)):
        for total, names in (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES)):
            leaves = [row[name] for name in names]
            assert (row[total] is None) == all(leaf is None for leaf in leaves)
            assert row[total] is None or row[total] == sum(leaves)


@settings(max_examples=20, deadline=None)
@given(st.lists(any_bytes | usage_events(counts=tokens).map(raw), max_size=8))
def test_no_bytes_make_a_step_raise(some: list[bytes]) -> None:
    """Whatever arrives is a row or a dead letter."""
    lane = new_lane(*POLICIES)
    result = step(lane, some)
    assert len(some) == len(rows_of(result)) + len(dead_letters_of(result)) + lane.copies_dropped


@settings(max_examples=20, deadline=None)
@given(values)
def test_deltas_are_sorted_and_go_to_one_partition_per_org(some: list[bytes | None]) -> None:
    """Delta rows of a partition stand in order, no key twice; an org is in one partition only."""
    result = step(new_lane(*POLICIES), some)
    homes = Counter(
        org
        for output in sent(result, "internal.deltas")
        for org in {row["org"] for row in deltas_of(StepResult([output], 0, 0))}
    )
    assert all(count == 1 for count in homes.values())
    for output in sent(result, "internal.deltas"):
        keys = [
            (d["org"], d["entity_type"], d["entity_id"], d["member"] or "", d["bucket_us"], d["live"])
            for d in deltas_of(StepResult([output], 0, 0))
        ]
        assert keys == sorted(set(keys))


@pytest.mark.parametrize("some", [[], [None], [raw(event())]], ids=["tick", "only a dead letter", "an event"])
def test_every_batch_reaches_every_partition(some: list[bytes | None]) -> None:
    """internal.deltas and internal.steps get one message per partition, rows or not."""
    lane = new_lane()
    result = step(lane, some) if some else lane.tick(5)
    for topic in ("internal.deltas", "internal.steps"):
        assert list(range(BY_NAME[topic].partitions)) == [output.partition for output in sent(result, topic)]
