"""The rating stage, case by case: bad input, duplicates, money, horizons, headers, recovery, the preview.

Long because each case is a few lines over one shared pair of stage and record.
"""

import asyncio
import json
from base64 import b64decode
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import Any

import pytest

from schemas.internal import DELTA_SCHEMA, RATED_SCHEMA
from schemas.keys import partition_for
from schemas.policies import Budget, Horizon
from schemas.signals import CloudSignal
from schemas.topics import BY_NAME
from schemas.usage import MAX_EVENT_BYTES, MAX_TOKENS
from streams.ports import Headers, SourceRecord
from streams.rating.preview import priced_lines
from streams.rating.rows import MAX_PIECE_BYTES
from tests.laws.rating_events import (
    BOOK,
    NOW_TIME,
    NOW_US,
    PRICES,
    Event,
    arrow,
    batch,
    dead_letters_of,
    deltas_of,
    event,
    headers_of,
    new_lane,
    raw,
    record,
    records,
    rfc3339,
    rows_of,
    sent,
    step,
)

HOUR_US = 3_600_000_000


def without(an_event: Event, name: str) -> Event:
    """The event without an attribute."""
    return {key: value for key, value in an_event.items() if key != name}


BAD: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "not_an_event"),
    "empty": (b"", "invalid_json"),
    "invalid UTF-8": (raw(event()).replace(b"acme", b"ac\xffme"), "invalid_utf8"),
    "truncated": (raw(event())[:-20], "invalid_json"),
    "10 MB": (b'{"a":"' + b"x" * 10_000_000 + b'"}', "too_large"),
    "NaN": (raw(event(units={"x": 1})).replace(b'{"x": 1}', b'{"x": NaN}'), "out_of_range"),
    "negative": (raw(event(output_tokens=-1)), "out_of_range"),
    "beyond int64": (raw(event(output_tokens=2**63)), "out_of_range"),
    "beyond the limit": (raw(event(output_tokens=MAX_TOKENS + 1)), "out_of_range"),
    "leaves beyond totals": (raw(event(input_cache_read_tokens=4809)), "tokens_disagree"),
    "leaves below totals": (raw(event(output_text_tokens=1)), "tokens_disagree"),
    "missing id": (raw(without(event(), "id")), "missing_field"),
    "missing model": (raw(event(model=None)), "missing_field"),
    "an hour ahead": (raw(event(time=rfc3339(NOW_US + HOUR_US))), "in_the_future"),
    "year 9999": (raw(event(time="9999-12-31T23:59:59-05:00")), "in_the_future"),
    "NUL in a name": (raw(event(team="a\0b")), "control_character"),
    "64 KB name": (raw(event(team="x" * 65_536)), "out_of_range"),
    "another type": (raw({**event(), "type": "io.example.other"}), "not_an_event"),
    "a list": (b"[]", "not_an_event"),
    "a number as text": (raw(event(output_tokens="7")), "wrong_type"),
    "a fortune": (raw(event(output_tokens=MAX_TOKENS)), "cost_too_large"),
    "deep nest": (b"[" * 100_000, "invalid_json"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_dead_letter_with_its_reason(name: str) -> None:
    """Each kind of bad record becomes one dead letter that says why and what to do; its neighbours are counted."""
    value, reason = BAD[name]
    result = step(new_lane(), [raw(event("before")), value, raw(event("after"))])
    (letter,) = dead_letters_of(result)
    assert (letter["reason"], letter["offset"]) == (reason, 1)
    assert "; what to do: " in letter["message"]
    assert [row["id"] for row in rows_of(result)] == ["before", "after"]
    (output,) = sent(result, "usage.dead_letters")
    assert CloudSignal.model_validate_json(output.value).id == "usage.events/0/1"
    assert len(output.value) < BY_NAME["usage.dead_letters"].max_message_bytes


def test_dead_letter_keeps_bytes_key_and_headers() -> None:
    """What was refused and holds no text can be mended: its bytes, key and attributes are as they came."""
    headers: Headers = (("ce_id", b"e-1"), ("trace", b"00-1"))
    data = raw(event(output_tokens=-1)["data"])
    result = new_lane().step(batch([record(data, 7, key=b"\xffk", headers=headers)]))
    (letter,) = dead_letters_of(result)
    assert (b64decode(letter["value_base64"]), letter["value_bytes"]) == (data, len(data))
    assert letter["headers"] == {"ce_id": "e-1", "trace": "[redacted, 4 bytes]"}
    assert (letter["key_base64"], letter["redacted_values"], letter["cut"]) == ("/2s=", 0, False)


def test_dead_letter_of_too_many_bytes_is_cut_and_says_so() -> None:
    """A record beyond 1 MiB is not kept whole: how long it was is said, and that it was cut."""
    result = step(new_lane(), [b"x" * (MAX_EVENT_BYTES + 9)])
    (letter,) = dead_letters_of(result)
    assert (letter["value_bytes"], letter["cut"]) == (MAX_EVENT_BYTES + 9, True)
    assert len(letter["value_base64"]) < MAX_EVENT_BYTES


@pytest.mark.parametrize("name", ["🔥 team", "עברית", "\u202eevil", "é" * 256, " ", "a/b\\c", "'; DROP TABLE x"])
def test_odd_names_are_names(name: str) -> None:
    """Whatever is printable text is kept as it is, in rows and in deltas."""
    result = step(new_lane(), [raw(event(team=name))])
    assert [row["team"] for row in rows_of(result)] == [name]
    assert [delta["entity_id"] for delta in deltas_of(result) if delta["entity_type"] == "team"] == [name]


def test_both_modes_of_cloudevents_are_read_among_each_other() -> None:
    """Structured records, with headers of their own or none, and binary ones stand in one batch and are one event."""
    an_event = event()
    binary = [(f"ce_{name}", value.encode()) for name, value in an_event.items() if name != "data"]
    some = [
        record(raw({**an_event, "id": "1"}), 0),
        record(raw({**an_event, "id": "2"}), 1, headers=[("content-type", b"application/cloudevents+json")]),
        record(json.dumps(an_event["data"]).encode(), 2, headers=binary),
        record(raw({**an_event, "id": "3"}), 3, headers=[("ce_id", None), ("trace", None)]),
    ]
    rows = rows_of(new_lane().step(batch(some)))
    assert [row["id"] for row in rows] == ["1", "2", "e-1", "3"]
    assert len({(row["ts"], row["cost_usd"], row["team"]) for row in rows}) == 1


def test_five_minutes_ahead_are_taken_and_no_microsecond_more() -> None:
    """Clocks of emitters may be 300 s fast."""
    times = [rfc3339(NOW_US + 300_000_000 + late) for late in (0, 1)]
    result = new_lane().step(batch([record(raw(event(str(at), time=time)), at) for at, time in enumerate(times)]))
    assert [row["id"] for row in rows_of(result)] == ["0"]
    assert [letter["reason"] for letter in dead_letters_of(result)] == ["in_the_future"]


def test_old_events_are_backfill_by_the_horizon_of_their_org() -> None:
    """Older than an hour is backfill, unless the org's policy says otherwise; the year 2023 always is."""
    lane = new_lane(Horizon(org="patient", live_horizon_sec=172_800))
    ages_us = (HOUR_US, HOUR_US + 1, 48 * HOUR_US, 48 * HOUR_US + 1)
    some = [
        record(raw(event(f"{org}{age}", org=org, time=rfc3339(NOW_US - age))))
        for org in ("acme", "patient")
        for age in ages_us
    ]
    some.append(record(raw(event("2023", time="2023-11-16T18:17:03Z"))))
    assert [row["live"] for row in rows_of(lane.step(batch(some)))] == [
        True, False, False, False, True, True, True, False, False,
    ]  # fmt: skip


def test_two_hundred_months_in_one_batch_are_two_hundred_buckets() -> None:
    """Event time places money, however far back; nothing is clamped."""
    months = [f"{2009 + month // 12}-{month % 12 + 1:02d}-01T00:00:00Z" for month in range(200)]
    result = step(new_lane(), [raw(event(str(at), time=time)) for at, time in enumerate(months)])
    assert [row["ts"].strftime("%Y-%m-%dT%H:%M:%SZ") for row in rows_of(result)] == months
    assert len({delta["bucket_us"] for delta in deltas_of(result)}) == 200


def test_copies_are_dropped_and_contradictions_refused() -> None:
    """A copy is dropped however it is spelled, and so is a lower revision; another content or time is a dead letter."""
    first = event("x", tags={"a": "1", "b": "2"})
    spelled = event("x", tags={"b": "2", "a": "1"}, input_uncached_tokens=1736, output_text_tokens=190)
    spelled["time"], spelled["subject"] = "2026-11-22T10:15:03.12+01:00", "other"
    imported = event("x", tags={"a": "1", "b": "2"}, import_id="again")
    others = [
        event("x", tags={"a": "1"}),
        {**event("x", revision=2), "time": rfc3339(NOW_US)},
        {**first, "time": rfc3339(NOW_US)},
        event("x", tags={"a": "1", "b": "2"}, revision=3),
        event("x", tags={"a": "1", "b": "2"}, revision=2, status="error"),
    ]
    lane = new_lane()
    result = step(lane, [raw(one) for one in (first, first, spelled, imported, *others)])
    assert lane.copies_dropped == 4
    assert [row["revision"] for row in rows_of(result)] == [1, 3]
    assert [letter["reason"] for letter in dead_letters_of(result)] == [
        "conflicting_duplicate", "event_time_moved", "conflicting_duplicate",
    ]  # fmt: skip


def test_a_revision_is_a_row_without_sums() -> None:
    """What revises a counted event goes to the sink, which says the difference; what was not known before is summed."""
    lane, home = new_lane(), partial(event, credential="key-53")  # of this very partition
    first = step(lane, [raw(home("x"))])
    again = step(lane, [raw(home("x", revision=2, output_tokens=400)), raw(home("y", revision=5))])
    marks = [(row["id"], row["corrects"], row["maybe_duplicate"]) for row in [*rows_of(first), *rows_of(again)]]
    assert marks == [("x", False, False), ("x", True, True), ("y", False, False)]
    org = [delta for delta in deltas_of(again) if delta["entity_type"] == "org"]
    assert [(delta["requests"], delta["output_tokens"]) for delta in org] == [(1, 310)]
    third = step(lane, [raw(home("x")), raw(home("x", revision=2, output_tokens=400)), raw(home("x", revision=3))])
    assert [row["revision"] for row in rows_of(third)] == [3]


def test_a_void_is_a_row_without_sums_whatever_was_known_before() -> None:
    """It counts as nothing, and a lower revision after it is no news; tokens need not be said again."""
    said: dict[str, Any] = {"output_tokens": None, "input_tokens": None, "input_cache_read_tokens": None}
    void = event("x", revision=2, void=True, output_reasoning_tokens=None, **said)
    result = step(new_lane(), [raw(void), raw(event("x"))])
    assert [(row["void"], row["corrects"], row["maybe_duplicate"]) for row in rows_of(result)] == [(True, True, True)]
    assert deltas_of(result) == []


def test_an_event_in_a_foreign_partition_is_marked() -> None:
    """By its own names, whatever the record's key was: the credential's partition, else the team's, else the org's."""
    names: list[dict[str, Any]] = [{"credential": f"k-{at}"} for at in range(20)] + [
        {"credential": None, "team": f"t-{at}"} for at in range(20)
    ]
    names += [{"credential": None, "team": None, "org": f"o-{at}"} for at in range(20)]
    names += [{"credential": "sk-proj-" + "a1B2" * 12}]
    rows = rows_of(step(new_lane(), [raw(event(str(at), **who)) for at, who in enumerate(names)]))
    keys = [one.get("credential") or one.get("team") or one["org"] for one in names]
    foreign = [partition_for(key.encode(), 4) != 0 for key in keys]
    assert [row["astray"] for row in rows] == foreign
    assert [row["maybe_duplicate"] for row in rows] == foreign
    assert rows[-1]["credential"] != names[-1]["credential"]


def test_identity_is_source_and_id() -> None:
    """The same id from another source is another event; the event id is BLAKE2b-128 of source, NUL, id."""
    result = step(new_lane(), [raw(event("x", source=source)) for source in ("a", "b")])
    expected = [blake2b(source + b"\0x", digest_size=16).hexdigest() for source in (b"a", b"b")]
    assert expected == [row["event_id"] for row in rows_of(result)]


def test_money_by_hand() -> None:
    """gpt-4o: 1736 uncached at 2.50, 3072 read at 1.25, 310 out at 10 USD per million."""
    (row,) = rows_of(step(new_lane(), [raw(event(reported_cost_usd="0.5"))]))
    cost = Decimal("0.011280000000")
    assert (row["cost_usd"], row["list_cost_usd"], row["as_charged_cost_usd"]) == (cost, cost, cost)
    assert (row["reported_cost_usd"], row["ceiling_cost_usd"], row["pricing_status"]) == (
        Decimal("0.500000000000"), None, "priced",
    )  # fmt: skip
    delta = next(delta for delta in deltas_of(step(new_lane(), [raw(event())])) if delta["entity_type"] == "org")
    assert (delta["cost_micro_usd"], delta["cost_pico_remainder"]) == (11_280, 0)


@pytest.mark.parametrize(
    ("data", "status", "cost"),
    [
        ({"model": "no-such"}, "unpriced_model", None),
        ({"model": "text-embedding-3-small"}, "unpriced_leaf", None),
        ({"gateway_cache_hit": True}, "gateway_cache_hit", Decimal(0)),
        ({"gateway_cache_hit": True, "model": "no-such"}, "gateway_cache_hit", Decimal(0)),
        (
            dict.fromkeys(
                ("input_tokens", "output_tokens", "input_cache_read_tokens", "output_reasoning_tokens"), None
            ),
            "no_usage",
            None,
        ),
        ({"output_tokens": None, "output_reasoning_tokens": None}, "priced", Decimal("0.00818")),
        (
            {"input_tokens": 0, "input_cache_read_tokens": 0, "output_tokens": 0, "output_reasoning_tokens": 0},
            "priced",
            Decimal(0),
        ),
    ],
)
def test_pricing_status_says_how_sure_the_cost_is(data: dict[str, Any], status: str, cost: Decimal | None) -> None:
    """Missing is not zero: what cannot be priced is NULL, with a ceiling; what the gateway's cache answered is free."""
    result = step(new_lane(), [raw(event(**data))])
    (row,) = rows_of(result)
    assert (row["pricing_status"], row["cost_usd"]) == (status, cost)
    assert (row["ceiling_cost_usd"] is not None) == status.startswith("unpriced")
    delta = next(delta for delta in deltas_of(result) if delta["entity_type"] == "org")
    assert delta["unpriced_requests"] == status.startswith("unpriced")


def test_missing_sides_are_null_and_known_ones_have_all_leaves() -> None:
    """An embedding has no output at all; its input has every leaf, most of them zero."""
    (row,) = rows_of(step(new_lane(), [raw(event(output_tokens=None, output_reasoning_tokens=None))]))
    assert (row["output_tokens"], row["output_text_tokens"]) == (None, None)
    assert (row["input_uncached_tokens"], row["input_audio_tokens"]) == (1736, 0)


def test_budgets_match_by_all_conditions_and_by_member() -> None:
    """A budget takes what meets all its conditions; one for each member has a row per member; missing members none."""
    lane = new_lane(
        Budget(id="org", org="acme", limit=1),
        Budget(id="two", org="acme", scope={"team": "code", "provider": "openai"}, limit=1),
        Budget(id="each", org="acme", scope={"team": "code"}, each="user", limit=1),
        Budget(id="org", org="other", limit=1),
    )
    some = [event("1"), event("2", user="bob"), event("3", user=None), event("4", team="x"), event("5", provider="x")]
    found = [delta for delta in deltas_of(step(lane, map(raw, some))) if delta["entity_type"] == "budget"]
    assert [(delta["entity_id"], delta["member"], delta["requests"]) for delta in found] == [
        ("each", "ana", 2), ("each", "bob", 1), ("org", None, 5), ("two", None, 3),
    ]  # fmt: skip


def test_credentials_carry_hashes_of_users_and_addresses() -> None:
    """The 16 smallest hashes of each, for credentials only, so that shared keys are seen without names."""
    some = [raw(event(str(n), user=f"u{n}", client_address_hash=f"h{n % 2}")) for n in range(40)]
    deltas = deltas_of(step(new_lane(), some))
    (credential,) = (delta for delta in deltas if delta["entity_type"] == "credential")
    assert (len(credential["user_hashes"]), len(credential["address_hashes"])) == (16, 2)
    assert credential["user_hashes"] == sorted(credential["user_hashes"])
    assert all(not delta["user_hashes"] for delta in deltas if delta["entity_type"] != "credential")


def test_messages_say_which_batch_they_are_of() -> None:
    """Every message carries the batch header: offsets, log time, policies; the schemas are those of the contract."""
    lane = new_lane(Budget(id="b", org="acme", limit=1))
    result = lane.step(batch([record(raw(event("a")), 41), record(raw(event("b")), 42, append_time_us=NOW_US + 5)]))
    assert (result.log_time_us, result.policy_offset) == (NOW_US + 5, 3)
    for topic in ("internal.rated", "internal.deltas", "internal.steps"):
        for output in sent(result, topic):
            headers = headers_of(output)
            assert (headers.first_offset, headers.next_offset, headers.log_time_us) == (41, 43, NOW_US + 5)
            assert (headers.policy_offset, headers.tick, headers.lanes, headers.source_partition) == (3, False, 4, 0)
    assert arrow(result, "internal.rated")[0].schema == RATED_SCHEMA
    assert all(part.schema == DELTA_SCHEMA for part in arrow(result, "internal.deltas"))
    assert [headers_of(output).rows for output in sent(result, "internal.rated")] == [2]


def test_ticks_are_empty_and_time_never_goes_back() -> None:
    """A tick reaches every partition with no rows; log time and offsets do not fall behind what was said."""
    lane = new_lane()
    step(lane, [raw(event())])
    tick = lane.tick(NOW_US - 9)
    assert tick.log_time_us == NOW_US
    assert {headers_of(output).rows for output in tick.outputs} == {0}
    assert {(h.first_offset, h.next_offset, h.tick) for h in map(headers_of, tick.outputs)} == {(1, 1, True)}
    assert lane.tick(NOW_US + 9).log_time_us == NOW_US + 9
    assert len(tick.outputs) == 2 * BY_NAME["internal.deltas"].partitions


def test_large_batches_are_cut_into_pieces() -> None:
    """No piece of rated rows is larger than 8 MiB, and together they are the batch, in order."""
    tags = {f"k{n}": "v" * 1000 for n in range(30)}
    result = step(new_lane(window_events=5000), [raw(event(str(n), tags=tags)) for n in range(600)])
    pieces = arrow(result, "internal.rated")
    assert len(pieces) > 1
    assert all(piece.nbytes <= MAX_PIECE_BYTES for piece in pieces)
    assert [headers_of(output).piece for output in sent(result, "internal.rated")] == list(range(len(pieces)))
    assert [row["id"] for row in rows_of(result)] == [str(n) for n in range(600)]


class Topic:
    """internal.seen as it was written: a reader of partitions over a list."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.values = values

    async def read(self, topic: str, partition: int, *, from_offset: int = 0) -> Sequence[SourceRecord]:
        """All of them."""
        del topic, partition
        return records(self.values[from_offset:])

    async def read_last(self, topic: str, partition: int, *, records: int) -> Sequence[SourceRecord]:
        """The last of them."""
        assert (topic, partition) == ("internal.seen", 0)
        return [record(value, at) for at, value in enumerate(self.values)][-records:]


def test_a_restarted_lane_knows_what_was_counted() -> None:
    """From internal.seen alone, copies of what an earlier process counted are dropped; time and policies go on."""
    first = new_lane(Budget(id="b", org="acme", limit=1), window_events=30)
    topic: list[bytes] = []
    for at in range(90):
        result = first.step(batch([record(raw(event(str(at))), at, append_time_us=NOW_US + at)]))
        topic.extend(output.value for output in sent(result, "internal.seen"))
    second = new_lane(window_events=30)
    assert asyncio.run(second.recover(Topic(topic), next_offset=90)) == 90
    copies = batch([record(raw(event(str(at))), 30 + at) for at in range(60, 90)])
    assert second.policy_offset_needed(copies) == 3
    result = second.step(copies)
    assert (rows_of(result), second.copies_dropped) == ([], 30)
    assert (result.log_time_us, result.policy_offset) == (NOW_US + 89, 3)
    (row,) = rows_of(second.step(batch([record(raw(event("59")), 120)])))
    assert row["maybe_duplicate"]


def test_a_first_start_has_nothing_to_recover() -> None:
    """An empty internal.seen is an empty window."""
    lane = new_lane()
    assert asyncio.run(lane.recover(Topic([]), next_offset=0)) == 0
    assert len(rows_of(step(lane, [raw(event())]))) == 1


def test_the_preview_prices_as_rating_does() -> None:
    """`priced_lines` gives each event with its leaves, rates and costs as text, or why it is refused."""
    values = [raw(event()), b"{}", raw(event(model="no-such")), raw(event(input_cache_read_tokens=9999))]
    lines = list(priced_lines(values, append_time_us=NOW_US, prices=PRICES))
    assert json.loads(json.dumps(lines)) == lines
    assert lines[0]["pricing"] == {
        "pricing_status": "priced",
        "price_book_version": BOOK.version,
        "cost_usd": "0.01128",
        "list_cost_usd": "0.01128",
        "ceiling_cost_usd": None,
        "leaves": {
            "input_uncached_tokens": {"count": 1736, "rate_usd": "2.5", "cost_usd": "0.00434"},
            "input_cache_read_tokens": {"count": 3072, "rate_usd": "1.25", "cost_usd": "0.00384"},
            "output_text_tokens": {"count": 190, "rate_usd": "10", "cost_usd": "0.0019"},
            "output_reasoning_tokens": {"count": 120, "rate_usd": "10", "cost_usd": "0.0012"},
        },
    }
    assert (lines[0]["id"], lines[0]["time"], lines[0]["data"]["output_text_tokens"]) == ("e-1", NOW_TIME, 190)
    assert [line.get("dead_letter", {}).get("reason") for line in lines] == [
        None, "missing_field", None, "tokens_disagree",
    ]  # fmt: skip
    assert lines[2]["pricing"]["cost_usd"] is None
