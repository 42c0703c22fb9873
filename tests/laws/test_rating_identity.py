"""Hashes of contents and texts, and what reading narrow structs must not change."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.usage_codec import skimmer
from streams.rating.columns import Columns
from streams.rating.decoding import DATA_FIELDS, Reader, decode_all
from streams.rating.identity import content_hashes, text_hashes
from tests.laws.rating_events import event, raw, record, records

texts = st.text(st.sampled_from("aä\x01 🔥") | st.characters(exclude_categories=["Cs"]), max_size=40)
TEXT_HASHES = [0, 3566377779644099424, 15098331126611437524, 11247714102663305994]
CONTENT_HASHES = [6776855753617398985]


@settings(max_examples=60)
@given(st.lists(texts, min_size=1, max_size=12), st.integers(0, 3))
def test_texts_have_one_hash_if_they_are_one(some: list[str], skipped: int) -> None:
    """Wherever a text stands in a column, sliced or not, its hash is its own; another text has another."""
    column = pa.array([*["x" * at for at in range(skipped)], *some, *some], pa.string()).slice(skipped)
    hashes = text_hashes(column).tolist()
    assert hashes[: len(some)] == hashes[len(some) :]
    assert len(set(hashes)) == len(set(some))


def test_hashes_are_the_same_for_ever() -> None:
    """Records of `internal.seen` outlive processes and versions: these numbers may not change without a new magic."""
    found = text_hashes(pa.array(["", "a", "northwind", "gateway/eu-1 and more"], pa.string())).tolist()
    assert found == TEXT_HASHES
    told = event(tags={"a": "b"}, units={"seconds": 1.5}, attempt=2, gateway_cache_hit=False)
    assert content_hashes(Columns(decode_all([record(raw(told))]))).tolist() == CONTENT_HASHES


def test_fields_that_change_places_change_the_hash() -> None:
    """The same words and numbers under other names are another content; null and 0 are two things."""
    told = [
        event(user="a", agent="b"), event(user="b", agent="a"), event(user="a", service="b"), event(user="a"),
        event(attempt=1, step=2), event(attempt=2, step=1), event(step=0), event(step=None),
        event(tags={"a": "b"}), event(asserted={"a": "b"}), event(gateway_cache_hit=True), event(user_agent=""),
    ]  # fmt: skip
    hashes = content_hashes(Columns(decode_all(records(map(raw, told)))))
    assert len(set(hashes.tolist())) == len(told)
    assert 0 not in hashes


_more = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(["ana", "ben"]), "session": st.just("s"), "tags": st.just({"a": "b"}),
        "revision": st.integers(0, 3), "void": st.sampled_from([False]), "nobody_knows": st.just(1),
        "step": st.integers(-1, 2),
        "user_agent": st.sampled_from(["", "x\\y"]), "http_status": st.just(200),
    },
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.lists(_more, max_size=4), min_size=1, max_size=4))
def test_what_a_reader_has_read_before_changes_nothing(batches: list[list[dict[str, Any]]]) -> None:
    """A reader that knows fields, and one that knows none, find the same columns and refuse the same records."""
    reader = Reader()
    for some in batches:
        told = records([raw(event(f"e-{at}", **more)) for at, more in enumerate(some)])
        used, fresh = reader.read(told), decode_all(told)
        assert [(one.offset, why.reason) for one, why in used.refused] == [
            (one.offset, why.reason) for one, why in fresh.refused
        ]
        assert (used.id, used.source, dict(used.data)) == (fresh.id, fresh.source, dict(fresh.data))
        assert np.array_equal(used.event_us, fresh.event_us)


def test_a_narrow_struct_takes_no_field_that_it_does_not_have() -> None:
    """What it does not know it leaves to the wide one, and it knows what it was told to and what events must have."""
    ordinary = json.dumps(event(team=None, user=None, credential=None)).encode()
    needed = frozenset(
        {"input_tokens", "input_cache_read_tokens", "output_tokens", "output_reasoning_tokens", "status"}
    )
    assert [one is None for one in skimmer(needed)([ordinary, None, b"{", raw(event())])] == [False, True, True, True]
    assert skimmer(needed - {"status"})([ordinary]) == [None]
    assert skimmer(frozenset(DATA_FIELDS))([raw(event())])[0] is not None
