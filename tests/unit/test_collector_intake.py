"""From a body to records: each event is judged alone, who the token is wins, nobody replaces another's event."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.collector.bodies import DOORS
from producers.collector.grants import Grant
from producers.collector.intake import Judged, judge, source_of
from producers.collector.problems import Problem
from schemas.credentials import Pepper, without_key
from schemas.usage_codec import decode

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "golden" / "dialects"
GRANT = Grant(sha256="0" * 64, org="acme", credential="checkout")
GATEWAY = Grant(sha256="0" * 64, org="acme", credential="gateway", team="platform", relay=True)
ONE, BATCH, JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"


def event(**data: Any) -> dict[str, Any]:
    """A usage event."""
    return {
        "specversion": "1.0", "type": "burnline.usage.v1", "source": "svc", "id": "e-1", "time": "2026-11-22T09:15:03Z",
        "data": {"provider": "openai", "model": "gpt-4o", "input_tokens": 3, **data},
    }  # fmt: skip


KEY = "sk-proj-canary1234567890abcdef"
PEPPER = Pepper("k1", b"0123456789abcdef")


def posted(  # noqa: PLR0913  what a request has, by name
    path: str,
    body: object,
    kind: str,
    *,
    grant: Grant = GRANT,
    headers: dict[str, str] | None = None,
    pepper: Pepper | None = None,
) -> Judged:
    """What becomes of a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    door = DOORS[path]
    return judge(door.rows(raw, kind, headers or {}), grant, now=NOW, default_source=door.source, pepper=pepper)


def data_of(judged: Judged) -> list[Any]:
    """What Burnline reads of each record."""
    return [decode(one.value).data for one in judged.events]


def test_a_good_event_becomes_a_record_of_its_token() -> None:
    """Org, credential and key are the token's; source says whose it is; the event is otherwise as it was."""
    judged = posted("/v1/events", event(team="shop"), ONE)
    (found,) = judged.events
    read = decode(found.value)
    assert (read.source, read.id, found.key) == ("acme/checkout/svc", "e-1", b"checkout")
    assert (read.data.org, read.data.credential, read.data.team, read.data.input_tokens) == (
        "acme", "checkout", "shop", 3,
    )  # fmt: skip
    assert (read.data.identity_trust, read.data.auth_type, read.data.asserted) == ("authenticated", "api_key", None)


@pytest.mark.parametrize("pepper", [None, PEPPER])
def test_a_key_that_is_sent_as_its_own_id_reaches_no_record(pepper: Pepper | None) -> None:
    """Not as a relay's credential, nor as a claim, nor in any other field."""
    said = event(credential=KEY, user_agent=f"curl {KEY}", tags={"k": KEY}, asserted={"team": KEY})
    for grant in (GATEWAY, GRANT):
        (found,) = posted("/v1/events", said, ONE, grant=grant, pepper=pepper).events
        assert b"canary" not in found.value + found.key
        expected = "checkout" if grant is GRANT else without_key(KEY, pepper)
        assert (decode(found.value).data.credential, found.key) == (expected, expected.encode())


def test_what_an_event_claims_otherwise_is_kept_as_asserted() -> None:
    """Nobody can spend in another's name; a user that the caller names is asserted, whatever the event says of it."""
    said = event(org="rival", credential="ceo", user="ana", identity_trust="authenticated", asserted={"end_user": "x"})
    (data,) = data_of(posted("/v1/events", said, ONE))
    assert (data.org, data.credential, data.user, data.identity_trust) == ("acme", "checkout", "ana", "asserted")
    assert data.asserted == {"end_user": "x", "org": "rival", "credential": "ceo"}


def test_a_relay_names_the_credentials_of_its_callers() -> None:
    """Org and team are the gateway's, the credential is who called it; without one it is the gateway itself."""
    batch = [event(credential="key-1", team="x", identity_trust="authenticated"), event()]
    first, second = data_of(posted("/v1/events", batch, BATCH, grant=GATEWAY))
    assert (first.org, first.credential, first.team, first.identity_trust) == (
        "acme", "key-1", "platform", "authenticated",
    )  # fmt: skip
    assert first.asserted == {"team": "x"}
    assert (second.credential, second.team) == ("gateway", "platform")


def test_bad_events_of_a_batch_do_not_hold_up_the_good_ones() -> None:
    """Each refused one is named by its place, its id and the reason."""
    late = {**event(), "time": "2026-11-22T09:40:00Z"}
    no_time = {name: held for name, held in event().items() if name != "time"}
    bad = [event(input_tokens=-1), {"hello": 1}, late, no_time, event(input_uncached_tokens=9), 7]
    judged = posted("/v1/events", [event(), *bad, {**event(), "id": "e-2"}], BATCH)
    assert [one.id for one in judged.events] == ["e-1", "e-2"]
    assert [(one.index, one.reason) for one in judged.refused] == [
        (1, "out_of_range"), (2, "missing_field"), (3, "in_the_future"), (4, "missing_field"), (5, "tokens_disagree"),
        (6, "invalid_json"),
    ]  # fmt: skip


def test_binary_mode_is_the_same_event() -> None:
    """Attributes are headers, the body is the data."""
    said = event()
    headers = {f"ce-{name}": held for name, held in said.items() if name != "data"}
    assert posted("/v1/events", said["data"], JSON, headers=headers).events == posted("/v1/events", said, ONE).events


def test_openmeter_events_come_in_unchanged() -> None:
    """Their counts and subject are read as a replay reads them."""
    said = {
        "specversion": "1.0", "type": "prompt", "id": "1", "time": "2026-11-22T09:15:03Z", "source": "s",
        "subject": "customer-1", "data": {"tokens": 12, "type": "input", "model": "gpt-4", "provider": "openai"},
    }  # fmt: skip
    (data,) = data_of(posted("/v1/events", said, ONE))
    assert (data.input_tokens, data.end_user, data.org) == (12, "customer-1", "acme")


@pytest.mark.parametrize("kind", [JSON, "application/x-ndjson"])
def test_litellm_batches_come_in_as_they_are_posted(kind: str) -> None:
    """A JSON array or JSON lines of payloads; texts in them go nowhere."""
    payload = json.loads((GOLDEN / "litellm" / "payload.json").read_text())
    payloads = [payload, {**payload, "litellm_call_id": "call-2"}, {"hello": 1}]
    body = json.dumps(payloads) if kind == JSON else "\n".join(json.dumps(one) for one in payloads)
    judged = posted("/v1/litellm", body.encode(), kind, grant=GATEWAY)
    assert [(one.source, one.id) for one in judged.events] == [
        ("acme/gateway/litellm", "call-1"), ("acme/gateway/litellm", "call-2"),
    ]  # fmt: skip
    assert [one.reason for one in judged.refused] == ["not_an_event"]
    assert b"CANARY" not in b"".join(one.value for one in judged.events)
    assert {data.credential[:4] for data in data_of(judged)} == {"88dc"}


def test_otlp_spans_come_in_and_sums_are_passed_over() -> None:
    """Every golden span file gives what a replay of it gives: as many events, none lost."""
    for path in sorted((GOLDEN / "otel").glob("*.json")):
        judged = posted("/v1/traces", path.read_bytes(), JSON)
        assert judged.events
        assert {data.org for data in data_of(judged)} == {"acme"}


@pytest.mark.parametrize(
    ("path", "kind", "status", "said"),
    [
        ("/v1/events", "text/plain", 415, "application/cloudevents-batch"),
        ("/v1/events", "", 415, "application/cloudevents"),
        ("/v1/litellm", "text/plain", 415, "application/x-ndjson"),
        ("/v1/traces", "text/plain", 415, "application/x-protobuf"),
        ("/v1/traces", "application/x-protobuf", 400, "ExportTraceServiceRequest"),
    ],
)
def test_a_content_type_that_is_not_read_says_what_to_send(path: str, kind: str, status: int, said: str) -> None:
    """The status, and how to send it instead."""
    with pytest.raises(Problem, match=said) as no:
        posted(path, b"{}", kind)
    assert no.value.status == status


def test_the_same_event_has_the_same_identity_and_nobody_elses() -> None:
    """Sent again it counts once; another token's event of the same source and id is another event."""
    other = Grant(sha256="1" * 64, org="acme", credential="billing")
    again = Grant(sha256="2" * 64, org="acme", credential="checkout")
    first, second, renewed = (posted("/v1/events", event(), ONE, grant=who).events[0] for who in (GRANT, GRANT, again))
    assert first.value == second.value == renewed.value
    assert posted("/v1/events", event(), ONE, grant=other).events[0].source != first.source


@given(said=st.text(min_size=1, max_size=300), org=st.text("ab/", min_size=1, max_size=256))
def test_a_source_always_fits_and_is_the_tokens(said: str, org: str) -> None:
    """However long the names are: at most 256 characters, different for different texts of the same token."""
    grant = Grant(sha256="0" * 64, org=org, credential="c" * 20)
    found = source_of(said, grant)
    assert len(found) <= 256
    assert source_of(said + "x", grant) != found


@given(body=st.binary(max_size=60), path=st.sampled_from(sorted(DOORS)), kind=st.sampled_from([ONE, BATCH, JSON]))
def test_no_body_breaks_the_door(body: bytes, path: str, kind: str) -> None:
    """Whatever is posted is judged or is a Problem; nothing else is raised."""
    with suppress(Problem):
        assert posted(path, body, kind).events == []
