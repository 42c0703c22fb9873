"""A retry of a dead letter: the same id, the next revision, counted once, and never what was taken out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.retrying import judged
from producers.retry import NotRetried, Retry, newest, retry
from schemas.keys import event_key
from schemas.signals import DeadLetter
from schemas.usage import MAX_EVENT_BYTES
from tests.laws.rating_events import (
    NOW_TIME,
    NOW_US,
    batch,
    dead_letters_of,
    event,
    new_lane,
    raw,
    record,
    records,
    rfc3339,
    rows_of,
    step,
)

HOUR_US = 3_600_000_000


def letters(*values: bytes | None, append_time_us: int = NOW_US) -> list[DeadLetter]:
    """The dead letters that these records become."""
    found = new_lane().step(batch(records(values, append_time_us=append_time_us)))
    return [DeadLetter.model_validate(one) for one in dead_letters_of(found)]


def sent_again(letter: DeadLetter) -> Retry:
    """The retry of a letter that has one."""
    found = retry(letter)
    assert isinstance(found, Retry)
    return found


def test_a_retry_counts_once_however_often_it_is_sent() -> None:
    """A call refused because its clock was ahead is counted when its time has come, and a second retry is a copy."""
    ahead = raw(event("late", time=rfc3339(NOW_US + HOUR_US)))
    lane = new_lane()
    refused = lane.step(batch([record(ahead, 0)]))
    (letter,) = [DeadLetter.model_validate(one) for one in dead_letters_of(refused)]
    again = sent_again(letter)
    assert again.value == sent_again(letter).value
    later = [record(again.value, at, append_time_us=NOW_US + 2 * HOUR_US) for at in (1, 2)]
    results = [lane.step(batch([one])) for one in later]
    assert [(row["id"], row["revision"]) for result in results for row in rows_of(result)] == [("late", 2)]
    assert [one for result in results for one in dead_letters_of(result)] == []
    assert lane.copies_dropped == 1


def test_a_retry_keeps_identity_key_and_content() -> None:
    """Source, id, time, key and every field are as they were sent; only the revision is the next."""
    (letter,) = letters(raw(event("a", source="gw", output_tokens=-1, revision=4, tags={"k": "v"})))
    again = sent_again(letter)
    said = json.loads(again.value)
    assert (again.source, again.id, again.revision) == ("gw", "a", 5)
    assert said == event("a", source="gw", output_tokens=-1, revision=5, tags={"k": "v"})
    assert again.key == event_key(org="acme", team="code", credential="key-41")


def test_a_binary_event_is_retried_as_the_same_event() -> None:
    """Attributes that came as headers stand in the retry's envelope."""
    headers = [(f"ce_{name}", value.encode()) for name, value in event("b", output_tokens=-1).items() if name != "data"]
    refused = new_lane().step(batch([record(raw(event("b", output_tokens=-1)["data"]), headers=headers)]))
    (letter,) = [DeadLetter.model_validate(one) for one in dead_letters_of(refused)]
    assert json.loads(sent_again(letter).value) == event("b", output_tokens=-1, revision=2)


def test_text_that_was_taken_out_of_an_unknown_field_stays_out() -> None:
    """A call whose body held a prompt in an unknown field is counted without it."""
    (letter,) = letters(raw(event("c", messages=[{"content": "tell me"}], shards=3, time=rfc3339(NOW_US + HOUR_US))))
    later = new_lane().step(batch([record(sent_again(letter).value, 1, append_time_us=NOW_US + HOUR_US)]))
    assert [dict(row["tags"]) for row in rows_of(later)] == [{"x_shards": "3"}]


NOT_RETRIED: dict[str, tuple[bytes | None, str]] = {
    "cut": (b'{"a":"' + b"x" * MAX_EVENT_BYTES + b'"}', "bytes were cut"),
    "no JSON": (b"hello", "no event"),
    "a list": (b"[1]", "no event"),
    "a tombstone": (None, "no event"),
    "no id": (json.dumps({name: value for name, value in event().items() if name != "id"}).encode(), "no id"),
    "a redacted model": (raw(event(model="x" * 300)), "data.model was redacted"),
    "a secret": (raw(event(credential="sk-proj-abcdefghijklmnop1234567890", output_tokens=-1)), "data.credential"),
    "half a character": (raw(event(team="\ud800")), "no event"),
    "a redacted tag": (raw(event(tags={"t" * 300: "x"})), "data.tags was redacted"),
}


@pytest.mark.parametrize("name", NOT_RETRIED)
def test_what_cannot_be_retried_says_why(name: str) -> None:
    """Bytes that were cut, redacted or no event are not sent again, and the reason says what to do."""
    value, why = NOT_RETRIED[name]
    (letter,) = letters(value)
    found = retry(letter)
    assert isinstance(found, NotRetried)
    assert why in found.why


def test_a_call_that_stands_against_a_counted_one_is_not_retried() -> None:
    """A retry never replaces what was counted: another call under one id needs an id of its own."""
    lane = new_lane()
    result = step(lane, [raw(event("d")), raw(event("d", output_tokens=999, output_reasoning_tokens=1))])
    (letter,) = [DeadLetter.model_validate(one) for one in dead_letters_of(result)]
    found = retry(letter)
    assert isinstance(found, NotRetried)
    assert "id of its own" in found.why


def test_of_several_letters_of_one_call_the_newest_is_retried() -> None:
    """A retry that was refused again is itself a letter; only the highest revision of a call is sent."""
    first = event("e", output_tokens=-1, time=NOW_TIME)
    again: dict[str, Any] = {**first, "data": {**first["data"], "revision": 2}}
    found = newest(map(sent_again, letters(raw(first), raw(event("f", output_tokens=-1)), raw(again))))
    assert [(one.id, one.revision) for one in found] == [("e", 3), ("f", 2)]


def test_what_would_be_refused_again_is_not_sent() -> None:
    """Rating itself judges a retry as of now: a clock that was ahead was overtaken, a wrong count is still wrong."""
    found = judged(
        letters(raw(event("g", time=rfc3339(NOW_US + HOUR_US))), raw(event("h", output_tokens=-1)), b"hello"),
        now=datetime(2026, 11, 22, 12, tzinfo=UTC),
    )
    assert [one.id for one in found.retries] == ["g"]
    assert [one.why.split(":")[0].split(";")[0] for one in found.refused] == [
        "its bytes are no event",
        "still refused, out_of_range",
    ]


def test_what_a_policy_may_have_mended_is_sent() -> None:
    """Prices may come from policies, which only rating itself knows: a call that was too dear is tried again."""
    found = judged(letters(raw(event("i", output_tokens=10**12))), now=datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert ([one.id for one in found.retries], found.refused) == (["i"], [])
