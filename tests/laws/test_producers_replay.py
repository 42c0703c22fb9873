"""Laws of replay: rows are sent or skipped, ids are stable, a shift moves everything alike. Nothing is sent here."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from producers import formats, plan
from producers.dialect import Draft, Skipped
from producers.files import Digested
from producers.plan import Plan, read
from producers.shift import parse_shift, shift_text, shift_to_now
from producers.stamp import Event, Stamping, import_id, stamp
from schemas.keys import event_key
from schemas.usage_codec import decode

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
SETS = {"org": "acme", "provider": "openai", "model": "gpt-4o"}


@dataclass(frozen=True)
class TextFile:
    """Lines in memory, as a file of a replay."""

    content: tuple[str, ...]
    name: str = "memory"

    def lines(self) -> Iterator[str]:
        """Every line with its end."""
        return iter([f"{line}\n" for line in self.content])


def _planned(
    format_name: str,
    lines: list[str],
    *,
    sets: dict[str, str],
    shift: timedelta = timedelta(0),
) -> Plan:
    file = TextFile(tuple(lines))
    digested = Digested(file.lines())
    assert sum(1 for _ in digested) == len(lines)
    return Plan(
        dialect=formats.FORMATS[format_name],
        files=[file],
        stamping=Stamping(
            format=format_name,
            sets=sets,
            shift=shift,
            import_id=import_id(format_name, [digested.digest()], sets, shift),
        ),
        rows=len(lines),
        first_time=None,
        last_time=None,
    )


_moments = st.datetimes(datetime(2020, 1, 1), datetime(2026, 11, 22, 11)).map(lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f}0")  # noqa: DTZ001  the trace has no zone
_times = st.datetimes(datetime(2015, 1, 1), datetime(2085, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds have none
_counts = st.integers(0, 10**6).map(str)
_good = st.tuples(_moments, _counts, _counts).map(",".join)
_junk = (st.binary(max_size=30) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))).map(
    lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"").decode("utf-8", "surrogateescape")
)
"""What can stand in a line of a file: any bytes, decoded as `files.py` decodes them."""

_shifts = st.timedeltas(timedelta(days=-3000), timedelta(days=3000))

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_keys = st.sampled_from(
    [
        "specversion",
        "type",
        "source",
        "id",
        "time",
        "data",
        "subject",
        "org",
        "team",
        "provider",
        "model",
        "tags",
        "input_tokens",
    ]
)
_values = _json | st.sampled_from(["1.0", "burnline.usage.v1", "2026-11-22T09:15:03Z", "acme", SETS])
_objects = st.dictionaries(_keys, _values, max_size=9).map(json.dumps)


def _outcome(planned: Plan) -> list[Event | Skipped]:
    return list(read(planned, now=NOW))


@settings(max_examples=30, deadline=None)
@given(st.lists(_good | _junk, max_size=12), _shifts)
def test_every_csv_row_is_sent_or_skipped_and_none_raises(rows: list[str], shift: timedelta) -> None:
    """Whatever stands in a row, the replay goes on; sent and skipped together are the rows that are not blank."""
    told = _outcome(_planned("azure-llm", [HEADER, *rows], sets=SETS, shift=shift))
    assert len(told) == sum(1 for row in rows if row.strip())
    assert [item.row for item in told] == [at for at, row in enumerate(rows, start=2) if row.strip()]


@settings(max_examples=40, deadline=None)
@given(st.lists(_objects | _junk, max_size=8), _shifts)
@example(["["], timedelta(0))
@example(["{"], timedelta(0))
def test_every_json_line_is_sent_or_skipped_and_none_raises(lines: list[str], shift: timedelta) -> None:
    """Whatever stands in a line, the replay goes on; what is sent passes the contract and has the key of its event."""
    told = _outcome(_planned("burnline", lines, sets={}, shift=shift))
    full = {at: line.strip() for at, line in enumerate(lines, start=1) if line.removeprefix("\ufeff").strip()}
    head = next(iter(full.values()), "").removeprefix("\ufeff")
    if head.startswith("[") or head == "{":  # an array, or documents over many lines
        assert {item.row for item in told} <= full.keys()
    else:
        assert [item.row for item in told] == [*full]
    for item in told:
        if isinstance(item, Event):
            event = decode(item.value)
            data = event.data
            assert (item.source, item.id, item.time) == (event.source, event.id, event.time)
            assert item.key == event_key(org=data.org, team=data.team, credential=data.credential)


@settings(deadline=None)
@given(st.lists(_good, min_size=1, max_size=8), _shifts)
def test_a_second_replay_has_the_same_bytes(rows: list[str], shift: timedelta) -> None:
    """The same rows, fields and shift are the same records, so nothing changes."""
    first, second = (_outcome(_planned("azure-llm", [HEADER, *rows], sets=SETS, shift=shift)) for _ in range(2))
    assert first == second


@settings(deadline=None)
@given(_good, st.integers(2, 9))
def test_ids_differ_by_row_by_set_and_by_shift(row: str, copies: int) -> None:
    """The same text in another row, under other fields or another shift, is another event."""
    plans = [
        _planned("azure-llm", [HEADER, *[row] * copies], sets=SETS),
        _planned("azure-llm", [HEADER, *[row] * copies], sets=SETS | {"team": "code"}),
        _planned("azure-llm", [HEADER, *[row] * copies], sets=SETS, shift=timedelta(seconds=1)),
    ]
    ids = [item.id for planned in plans for item in _outcome(planned) if isinstance(item, Event)]
    assert len(ids) == len(set(ids)) == 3 * copies
    assert len({planned.import_id for planned in plans}) == 3


@given(st.lists(_times, min_size=2), _shifts)
def test_a_shift_keeps_all_differences(times: list[datetime], shift: timedelta) -> None:
    """Every event moves by the same amount, to the microsecond."""
    stamping = Stamping(format="burnline", sets=SETS, shift=shift, import_id="import-1")
    drafts = [Draft(row, "", at, {}) for row, at in enumerate(times, start=1)]
    moved = [stamp(draft, stamping, salt=stamping.salt()).time for draft in drafts]
    assert [after - before for before, after in zip(times, moved, strict=True)] == [shift] * len(times)


@given(_shifts)
def test_a_shift_is_read_back_from_its_text(shift: timedelta) -> None:
    """`--shift` with the printed text is the very same shift."""
    assert parse_shift(shift_text(shift)) == shift


@given(_times)
def test_the_last_event_lands_within_the_second_before_now(last: datetime) -> None:
    """`--at now` moves by whole seconds and never past now."""
    shift = shift_to_now(last, now=NOW)
    assert shift.microseconds == 0
    assert timedelta(0) <= NOW - (last + shift) < timedelta(seconds=1)


@given(
    st.lists(st.binary(max_size=4), max_size=4).flatmap(lambda parts: st.tuples(st.just(parts), st.permutations(parts)))
)
def test_import_id_knows_the_files_but_not_their_order(both: tuple[list[bytes], list[bytes]]) -> None:
    """The same files in another order are the same import."""
    parts, others = both
    assert import_id("f", parts, {}, timedelta(0)) == import_id("f", others, {}, timedelta(0))


@pytest.mark.parametrize("change", [lambda d: {**d, "id": None}, lambda d: d])
def test_own_ids_survive_only_an_unchanged_replay(change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    """An event's own id stays where nothing is changed; a changed replay marks it, equal ids staying equal."""
    line = json.dumps(change({"id": "own", "source": "s", "time": "2026-11-22T09:15:03Z", **SETS}))
    plain, again, moved = (
        [
            item.id
            for item in _outcome(_planned("burnline", [line, line], sets={}, shift=shift))
            if isinstance(item, Event)
        ]
        for shift in (timedelta(0), timedelta(0), timedelta(seconds=-5))
    )
    assert plain == again
    assert not set(plain) & set(moved)
    named = '"id": "own"' in line
    assert len(set(plain)) == len(set(moved)) == (1 if named else 2)
    assert (plain[0] == "own") == named


def test_the_future_begins_five_minutes_ahead() -> None:
    """An event five minutes ahead is sent, one microsecond later it is skipped."""
    lines = [
        json.dumps({"time": (NOW + plan.FUTURE + timedelta(microseconds=more)).isoformat(), **SETS}) for more in (0, 1)
    ]
    assert [type(item) for item in _outcome(_planned("burnline", lines, sets={}))] == [Event, Skipped]
