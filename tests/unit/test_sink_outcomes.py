"""Outcomes as rows: every revision is kept, copies change nothing, what contradicts is a dead letter."""

import json
from base64 import b64decode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidMessage, Reason
from sinks.log_reader import Record
from sinks.outcome_rows import OUTCOMES_SCHEMA, Refused, Revision, claim_of, judged
from sinks.signal_rows import SignalRow, tables

CAME = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def record(offset: int = 0, *, at: datetime = CAME, id_: str = "1", **data: Any) -> Record:
    """An outcome as it is read."""
    said = {
        "specversion": "1.0", "type": "burnline.outcome.v1", "source": "s", "id": id_, "time": at.isoformat(),
        "data": {"org": "acme", "outcome_type": "merged", **data},
    }  # fmt: skip
    return raw(json.dumps(said).encode(), offset)


def raw(value: bytes, offset: int = 0, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    """Bytes as they are read."""
    return Record("usage.outcomes", 1, offset, int(CAME.timestamp() * 1_000_000), value, headers)


def test_an_outcome_is_one_row_with_every_column() -> None:
    """What is said stands there exactly; what is not said is NULL, or '' where it is a name."""
    claim = claim_of(record(7, task="T-1", minutes_claimed="12.5", value_usd="-0.000000000001", accepted=False))
    [(table, arrow)] = tables([SignalRow("outcome_revisions_store", claim.row)])
    assert (table, arrow.schema) == ("outcome_revisions_store", OUTCOMES_SCHEMA)
    [row] = arrow.to_pylist()
    assert set(OUTCOMES_SCHEMA.names) == claim.row.keys()
    assert (row["minutes_claimed"], row["value_usd"]) == (Decimal("12.5"), Decimal("-0.000000000001"))
    assert (row["accepted"], row["intervention"], row["minutes_captured"]) == (False, None, None)
    assert (row["task"], row["run"], row["void"], row["revision"]) == ("T-1", "", False, 1)
    assert (row["ts"], row["received_at"], row["src_partition"], row["src_offset"]) == (CAME, CAME, 1, 7)


def test_an_outcome_is_read_in_binary_mode() -> None:
    """Attributes as headers mean the same."""
    data = b'{"org":"acme","outcome_type":"viewed"}'
    names = {"specversion": "1.0", "type": "burnline.outcome.v1", "source": "s", "id": "1", "time": CAME.isoformat()}
    headers = tuple((f"ce_{name}", value.encode()) for name, value in names.items())
    structured = claim_of(record(outcome_type="viewed"))
    assert claim_of(raw(data, headers=headers)).row == structured.row


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (raw(b"nonsense"), Reason.INVALID_JSON),
        (raw(b"\xff"), Reason.INVALID_UTF8),
        (raw(b'{"type":"burnline.usage.v1"}'), Reason.MISSING_FIELD),
        (record(outcome_type="Merged!"), Reason.OUT_OF_RANGE),
        (record(value_usd="1e3"), Reason.OUT_OF_RANGE),
        (record(value_usd=12), Reason.WRONG_TYPE),
        (record(outcome_type="metric", metric="x"), Reason.MISSING_FIELD),
        (record(metric="x"), Reason.OUT_OF_RANGE),
        (record(reverted_by="x"), Reason.OUT_OF_RANGE),
        (record(org=""), Reason.OUT_OF_RANGE),
        (record(at=CAME + timedelta(minutes=5, seconds=1)), Reason.IN_THE_FUTURE),
        (record(at=datetime(1999, 12, 31, tzinfo=UTC)), Reason.OUT_OF_RANGE),
    ],
)
def test_what_cannot_be_an_outcome_has_a_reason(read: Record, reason: Reason) -> None:
    """Each refusal is one of our reasons; five minutes of wrong clocks are none."""
    with pytest.raises(InvalidMessage) as refused:
        claim_of(read)
    assert refused.value.reason == reason
    claim_of(record(at=CAME + timedelta(minutes=5)))


def test_a_dead_letter_of_an_outcome_holds_no_text() -> None:
    """Its bytes keep what the contract knows, and nothing else; it says what to do."""
    read = record(3, reviewer="ben", comment="CANARY text", accepted="perhaps a little")
    with pytest.raises(InvalidMessage) as refused:
        claim_of(read)
    key, value = Refused(read, refused.value).letter()
    letter = msgspec.json.decode(value)["data"]
    assert (key, letter["topic"], letter["reason"]) == (b"usage.outcomes/1/3", "usage.outcomes", "wrong_type")
    assert b"CANARY" not in b64decode(letter["value_base64"])
    assert b"perhaps" not in b64decode(letter["value_base64"])
    assert b"ben" in b64decode(letter["value_base64"])
    assert "what to do" in letter["message"]


def test_a_secret_is_in_no_row() -> None:
    """What looks like a key is taken out of names before they are stored."""
    secret = "sk-" + "a" * 24
    row = claim_of(record(artifact=secret, task=f"T {secret}")).row
    assert (row["artifact"], row["task"]) == ("[redacted]", "T [redacted]")


def decided(records: Iterable[Record], stored: dict[Revision, str]) -> tuple[set[int], set[int]]:
    """(offsets of rows, offsets of dead letters); what is stored grows."""
    rows, refused = judged([claim_of(one) for one in records], stored)
    stored |= {(row["outcome_id"], row["revision"]): row["content"] for row in rows}
    return {row["src_offset"] for row in rows}, {one.record.offset for one in refused}


def test_a_contradiction_is_refused_and_a_copy_is_not() -> None:
    """The first word of a revision stands; a later revision may say anything; other ids are other outcomes."""
    words = [
        record(0, accepted=True),
        record(1, accepted=True, import_id="import-2"),
        record(2, accepted=False),
        record(3, accepted=False, revision=2),
        record(4, void=True, revision=3),
        record(5, accepted=False, id_="2"),
    ]
    assert decided(words, {}) == ({0, 1, 3, 4, 5}, {2})


_words = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.sampled_from([True, False])), min_size=1, max_size=8
)


@given(_words, st.data())
def test_reading_again_after_a_crash_decides_the_same(words: list[tuple[str, int, bool]], data: st.DataObject) -> None:
    """However the records are cut into batches, and wherever a batch is read again after its rows were stored."""
    records = [
        record(offset, id_=id_, revision=revision, accepted=said) for offset, (id_, revision, said) in enumerate(words)
    ]
    whole = decided(records, {})
    stored: dict[Revision, str] = {}
    at = 0
    kept: set[int] = set()
    letters: set[int] = set()
    while at < len(records):
        end = data.draw(st.integers(at + 1, len(records)))
        rows, refused = decided(records[at:end], stored)
        kept |= rows
        if data.draw(st.booleans()):  # a crash: the rows are stored, neither the progress nor the letters are said
            data.draw(st.just(None))
            end = data.draw(st.integers(at + 1, len(records)))
            rows, refused = decided(records[at:end], stored)
        letters |= refused
        kept |= rows
        at = end
    assert (kept, letters) == whole
