"""The laws of slim rows: they sum to what deltas say, cuts do not matter, and only what has a name is a row."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.internal import from_arrow_bytes
from schemas.keys import partition_for
from schemas.steps import NAMING
from schemas.topics import BY_NAME
from streams.ports import StepResult
from tests.laws.rating_events import batch, deltas_of, event, new_lane, raw, records, sent, step, usage_events

values = st.lists(usage_events().map(raw), max_size=20)
SUMS = {
    "requests": "events", "input_tokens": "input_tokens", "output_tokens": "output_tokens",
    "cost_micro_usd": "cost_micro_usd", "cost_pico_remainder": "cost_pico_remainder",
}  # fmt: skip


def steps_of(*results: StepResult) -> list[dict[str, Any]]:
    """The slim rows that were sent."""
    outputs = [output for result in results for output in sent(result, "internal.steps")]
    return [row for output in outputs if output.value for row in from_arrow_bytes(output.value).to_pylist()]


def _sums(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row["org"], Counter()).update({name: row[name] for name in names})
    both = {}
    for org, said in found.items():
        micro, pico = said[names[3]], said[names[4]]
        both[org] = [*(said[name] for name in names[:3]), micro * 10**6 + pico]
    return both


@given(values)
@settings(max_examples=25)
def test_slim_rows_sum_to_the_deltas(some: list[bytes]) -> None:
    """Events, tokens and cost of all rows of an organisation are those of its deltas, to the last digit."""
    result = step(new_lane(), some)
    deltas = [row for row in deltas_of(result) if row["entity_type"] == "org"]
    assert _sums(deltas, list(SUMS)) == _sums(steps_of(result), list(SUMS.values()))


@given(values, st.integers(0, 20))
@settings(max_examples=20)
def test_cutting_a_log_keeps_every_row_of_an_event(some: list[bytes], at: int) -> None:
    """However records are cut into batches, what names something is the same rows in the same order."""
    whole, cut = new_lane(), new_lane()
    together = steps_of(whole.step(batch(records(some)))) if some else []
    parts = [part for part in (records(some)[:at], records(some)[at:]) if part]
    apart = steps_of(*(cut.step(batch(part)) for part in parts))

    def named(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [{name: said for name, said in row.items() if said is not None} for row in rows]
        return sorted((row for row in kept if any(name in row for name in NAMING)), key=lambda row: row["org"])

    assert named(together) == named(apart)


def test_events_without_a_name_to_follow_are_summed() -> None:
    """A hundred calls that name neither run, session, fingerprint nor credential are one row for each kind."""
    some = [raw(event(str(n), credential=None, team=None if n % 2 else "code", user=None)) for n in range(100)]
    rows = steps_of(step(new_lane(), some))
    assert [(row["events"], row["owned"], row["live"]) for row in rows] == [(50, False, True), (50, True, True)]
    assert all("credential" not in row for row in rows)


def test_sums_say_where_calls_went_and_which_were_refused() -> None:
    """Models, regions and data classes are known of calls that name nobody, so that rules see them, too."""
    where = {"region": "us-east-1", "data_class": "pii", "credential": None}
    some = [event(str(n), **where, http_status=429 if n == 3 else 200) for n in range(5)]  # type: ignore[arg-type]  # fields
    rows = steps_of(step(new_lane(), [*map(raw, some), raw(event("b", credential=None, model="gpt-4o-mini"))]))
    found = {(row["model"], row["region"], row["data_class"], row["http_status"], row["events"]) for row in rows}
    assert found == {
        ("gpt-4o", "us-east-1", "pii", None, 4),
        ("gpt-4o", "us-east-1", "pii", 429, 1),
        ("gpt-4o-mini", None, None, None, 1),
    }


def test_one_name_of_any_kind_makes_a_row() -> None:
    """Each of the names that rules follow is enough."""
    for name in NAMING:
        named: dict[str, Any] = {"credential": None, name: "x"}
        (row,) = steps_of(step(new_lane(), [raw(event(**named))]))
        assert (row[name], row["events"], row["model"]) == ("x", 1, "gpt-4o")


def test_what_does_not_count_is_no_row() -> None:
    """A copy, a revision (the ledger says what it changes) and a void are in no slim row."""
    some = [event("a"), event("a"), event("a", revision=2, output_tokens=400), event("a", revision=3, void=True)]
    rows = steps_of(step(new_lane(), [raw(one) for one in some]))
    assert [row["output_tokens"] for row in rows] == [310]


def test_claims_that_nobody_checked_are_named_and_not_told() -> None:
    """A slim row says which identities a caller claimed, not what he claimed."""
    rows = steps_of(step(new_lane(), [raw(event("a", asserted={"user": "root", "team": "x"})), raw(event("b"))]))
    assert [row["claims"] for row in rows] == ["team,user", None]


def test_a_claim_of_the_nameless_is_no_fault_of_the_named() -> None:
    """A batch in which only calls without a name claim something has rows of both kinds, and tells no claim."""
    some = [event("a"), event("b", credential=None, asserted={"user": "root"})]
    rows = steps_of(step(new_lane(), [raw(one) for one in some]))
    assert sorted((row["events"], row.get("credential") is None, row.get("claims")) for row in rows) == [
        (1, False, None),
        (1, True, None),
    ]


def test_an_organisation_has_one_home() -> None:
    """The rows of an organisation all go to the partition that its deltas go to."""
    some = [raw(event(str(n), org=f"org-{n}")) for n in range(12)]
    for output in sent(step(new_lane(), some), "internal.steps"):
        rows = from_arrow_bytes(output.value).to_pylist() if output.value else []
        homes = {partition_for(row["org"].encode(), BY_NAME["internal.steps"].partitions) for row in rows}
        assert homes <= {output.partition}
