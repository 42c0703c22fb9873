"""Laws of redaction: no canary in any position survives, and what the contract knows is kept to the byte."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.redaction import redacted
from schemas.secrets import SHORTEST, holds_secret
from schemas.usage import UsageData, UsageEvent
from tests.laws.rating_events import batch, dead_letters_of, deltas_of, event, new_lane, raw, record, rows_of, step

CANARY = "canary of a prompt: tell me about the merger"
SECRETS = [
    "sk-proj-abcdefghijklmnop1234567890", "sk-ant-api03-abcdefghijklmnop-1234", "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv", "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "Bearer abcdef1234567890", "gsk_abcdefghijklmnop12345678",
]  # fmt: skip
KNOWN = {*UsageEvent.model_fields, *UsageData.model_fields}
names = st.sampled_from(["messages", "prompt", "content", "input", "text", "x"]) | st.just(CANARY)
leaves = st.just(CANARY) | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
foreign = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


@settings(max_examples=80, deadline=None)
@given(name=names, body=foreign, broken=st.integers(0, 400), inside=st.booleans())
def test_no_text_of_an_unknown_field_is_kept(name: str, body: Any, broken: int, *, inside: bool) -> None:
    """Under a name that the contract does not know no text stays, however deep, and however broken the JSON is."""
    whole = event()
    (whole["data"] if inside else whole)[name] = body
    value = raw(whole)
    for given_bytes in (value, value[:broken], value[broken:], json.dumps(body).encode(), json.dumps([whole]).encode()):
        assert CANARY.encode() not in redacted(given_bytes).value
        assert b"merger" not in redacted(given_bytes).value


@pytest.mark.parametrize("field", ["output_tokens", "void", "status", "reported_cost_usd", "units", "latency_ms"])
def test_no_text_is_kept_where_the_contract_has_none(field: str) -> None:
    """In a field for a count, a state or an amount a number or a word stays as it was sent, and no sentence."""
    for text in (CANARY, "merger of"):
        said: Any = {"pages": text} if field == "units" else text
        sent = raw(event(**{field: said}))
        for given_bytes in (sent, sent[:-1]):
            assert b"merger" not in redacted(given_bytes).value
    for word in ("10", "-1.5e3", "unknown"):
        said = {"pages": word} if field == "units" else word
        sent = raw(event(**{field: said}))
        assert redacted(sent).value == sent


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("field", ["credential", "user", "agent"])
def test_no_secret_is_kept_in_a_known_field(field: str, secret: str) -> None:
    """A key in a field that the contract knows is taken out, and the rest of its field stays."""
    kept = redacted(raw(event(**{field: f"my {secret} key"})))
    assert secret.encode() not in kept.value
    assert kept.values == 1
    assert json.loads(kept.value)["data"][field].startswith("my [redacted]")


def test_the_shortest_secret_of_each_kind_is_seen() -> None:
    """Alone, and a byte less is none; what is shorter than any of them need not be looked at."""
    shortest = [
        *(name + b"-" + b"a" * 16 for name in (b"sk", b"rk", b"pk", b"gsk", b"xai", b"hf", b"pplx")),
        b"AKIA" + b"A" * 16, b"AIza" + b"a" * 30, b"ghp_" + b"a" * 30, b"github_pat_" + b"a" * 30, b"xoxb-" + b"a" * 10,
        b"eyJ" + b"a" * 10 + b"." + b"a" * 10, b"Bearer " + b"a" * 8, b"-----BEGIN PRIVATE KEY-----",
    ]  # fmt: skip
    assert [one for one in shortest if not holds_secret(one) or holds_secret(one[:-1])] == []
    assert min(map(len, shortest)) == SHORTEST


@pytest.mark.parametrize("spaces", [None, 2])
def test_a_record_of_known_fields_keeps_every_byte(spaces: int | None) -> None:
    """What the contract knows is kept as it was written, spaces and order included, also where an event is refused."""
    value = json.dumps(
        event(output_tokens=-1, tags={"feature": "review of a text"}, user='a "b"'), indent=spaces
    ).encode()
    assert redacted(value).value == value
    assert redacted(value).values == 0


def test_a_name_said_twice_hides_nothing() -> None:
    """Readers of JSON keep one of two values under one name; the other is looked at, too."""
    value = b'{"data":{"messages":"' + CANARY.encode() + b'"},"data":{"org":"acme"}}'
    assert redacted(value).value == b'{"data":{"messages":"[redacted, 46 bytes]"},"data":{"org":"acme"}}'


def test_what_was_taken_out_is_counted_and_told_by_size_only() -> None:
    """A placeholder says how many bytes it stands for; a list of numbers becomes zeros."""
    kept = redacted(b'{"prompt":[1,22,333],"n":7,"text":"ab","data":{"model":"' + b"m" * 257 + b'"}} oops')
    said = b'{"prompt":[0,0,0],"n":7,"text":"[redacted, 4 bytes]","data":{"model":"[redacted, 259 bytes]"}} ?'
    assert (kept.value, kept.values, kept.cut) == (said, 6, False)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_redacted(value: bytes) -> None:
    """No bytes make redaction fail, and of what is no JSON no word is left."""
    kept = redacted(value).value
    assert all(len(word) <= 40 for word in kept.split())


BAD: dict[str, Any] = {
    "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": CANARY}]},
    "data": event(output_tokens=-1, messages=[CANARY]),
    "name": {**event(), "data": {"org": "acme", CANARY: 1}},
    "tags": event(tags={CANARY * 8: "x"}),
    "type": {**event(), "type": CANARY * 30},
    "extension": {**event(output_tokens=-1), "prompt": CANARY},
    "secret": event(output_tokens=-1, credential=SECRETS[0]),
}


@pytest.mark.parametrize("place", BAD)
def test_no_canary_reaches_a_dead_letter(place: str) -> None:
    """Wherever a prompt or a secret stands in a refused record, nothing that is said about the record repeats it."""
    headers = (("authorization", f"Bearer {SECRETS[0]}".encode()), ("x-prompt", CANARY.encode()), (CANARY, b"1"))
    refused = record(raw(BAD[place]), key=SECRETS[0].encode(), headers=headers)
    (letter,) = dead_letters_of(new_lane().step(batch([refused])))
    said = b64decode(letter.pop("value_base64")).decode() + json.dumps(letter)
    assert ("merger" in said, "abcdefghijklmnop" in said) == (False, False)


def test_what_is_said_of_a_field_repeats_no_name_that_may_be_text() -> None:
    """The path of a refusal names fields; of the names that a sender chose those that look like text are left out."""
    (letter,) = dead_letters_of(step(new_lane(), [raw(event(tags={"a." + CANARY: 5}))]))
    assert "merger" not in letter["path"] + letter["message"]
    assert letter["path"] == "data.tags.a.[redacted]"


def test_an_unknown_field_is_a_tag_without_text() -> None:
    """Of fields of a newer emitter numbers and names are kept as tags; of text only its size is."""
    found = UsageEvent.model_validate_json(raw(event(new_name="eu-west", new_count=5, messages=[CANARY], note=CANARY)))
    assert found.data.tags == {
        "x_new_name": "eu-west", "x_new_count": "5", "x_messages": f"[redacted, {len(CANARY) + 4} characters]",
        "x_note": f"[redacted, {len(CANARY) + 2} characters]",
    }  # fmt: skip


def test_a_key_sent_as_its_own_id_is_named_without_giving_it_away() -> None:
    """Rows and sums of an event whose credential is the secret itself hold a name of it, one for each key, always."""
    keys = [SECRETS[0], SECRETS[0] + "x", "key-41"]
    result = step(new_lane(), [raw(event(str(at), credential=key)) for at, key in enumerate([*keys, SECRETS[0]])])
    assert [one for output in result.outputs for secret in SECRETS if secret.encode() in (one := output.value)] == []
    first, second, plain, again = [row["credential"] for row in rows_of(result)]
    assert (plain, again) == ("key-41", first)
    assert len({first, second, plain}) == 3
    assert {"key-41", first, second} <= {row["entity_id"] for row in deltas_of(result)}
