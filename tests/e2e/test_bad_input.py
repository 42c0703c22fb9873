"""Everything that cannot be counted, sent to the real thing among events that can: nothing crashes, nothing is lost.

Long because it is one story with one stack: poison first, then Kafka and ClickHouse die while a service emits.
"""

import base64
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from burnline_client import UsageEmitter
from deploy.bench.end_to_end import measured
from deploy.bench.latency import SHARES
from deploy.policy_log import in_force, read_log
from deploy.stack.find import find_stack
from schemas.redaction import redacted
from tests.cli_stack import Stack, started
from tests.holdings import holdings, unpacked

PARTS = ("kafka", "clickhouse", "rating", "burn", "patterns", "sink")
VIEWS = ("usage_15m", "usage_1h", "usage_1d_utc", "usage_daily(tz = 'Asia/Kathmandu')")
MONTHS = 200
KEPT_BYTES = 1_048_576
EMITTED = 600
PROMPT = "canary of a prompt: tell me about the merger; "
SECRET = "sk-proj-canary1234567890abcdef"
KEY = b"key-41"  # one key, one partition: bad and good events stand in the same batches

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
Event = dict[str, Any]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for the story of this file."""
    yield from started(tmp_path_factory.mktemp("bad") / "state")


@dataclass(frozen=True)
class Sent:
    """One record for usage.events: why it must become a dead letter, or as which event it must count."""

    value: bytes | None
    reason: str | None = None
    counts_as: str | None = None
    key: bytes = KEY
    headers: tuple[tuple[str, bytes | None], ...] = ()


def rfc3339(at: datetime) -> str:
    """As our JSON writes a time."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(id_: str, at: datetime, **data: Any) -> Event:
    """An ordinary event; None removes a field of its data."""
    given = {"org": "acme", "team": "code", "provider": "openai", "model": "gpt-4o", "credential": "key-41",
             "input_tokens": 100, "output_tokens": 10} | data  # fmt: skip
    kept = {name: value for name, value in given.items() if value is not None}
    return {"specversion": "1.0", "type": "burnline.usage.v1", "source": "poison", "id": id_, "time": rfc3339(at),
            "data": kept}  # fmt: skip


def raw(an_event: Event) -> bytes:
    """Its JSON."""
    return json.dumps(an_event).encode()


def bad_records(now: datetime) -> list[Sent]:
    """What becomes a dead letter, with the reason."""
    plain, big = raw(event("bad", now)), b'{"a":"' + b"x" * 10_000_000 + b'"}'
    without_id = {name: value for name, value in event("bad", now).items() if name != "id"}
    binary = (("ce_id", b"\xff"), ("ce_source", b"poison"), ("content-type", b"application/json"))
    return [
        Sent(None, "not_an_event"),
        Sent(b"", "invalid_json"),
        Sent(b"\x00\x01\x02\xff", "invalid_utf8", key=b"\xff\xfe"),
        Sent(plain.replace(b"acme", b"ac\xffme"), "invalid_utf8"),
        Sent(plain[:-20], "invalid_json"),
        Sent(b"[" * 100_000, "invalid_json"),
        Sent(b"[]", "not_an_event"),
        Sent(raw(event("bad", now) | {"type": "io.example.other"}), "not_an_event"),
        Sent(b'{"a":"' + b"x" * KEPT_BYTES + b'"}', "too_large"),
        Sent(big, "too_large"),
        Sent(plain.replace(b'"output_tokens": 10', b'"units": {"x": NaN}'), "out_of_range"),
        Sent(plain.replace(b'"output_tokens": 10', b'"output_tokens": NaN'), "wrong_type"),
        Sent(raw(event("bad", now, output_tokens=-1)), "out_of_range"),
        Sent(raw(event("bad", now, output_tokens=2**63)), "out_of_range"),
        Sent(raw(event("bad", now, output_tokens=10**400)), "out_of_range"),
        Sent(raw(event("bad", now, input_cache_read_tokens=101)), "tokens_disagree"),
        Sent(raw(without_id), "missing_field"),
        Sent(raw(event("bad", now, org=None)), "missing_field"),
        Sent(raw(event("bad", now + timedelta(hours=1))), "in_the_future"),
        Sent(raw(event("bad", now, team="a\0b")), "control_character"),
        Sent(raw(event("bad", now, team="x" * 65_536)), "out_of_range"),
        Sent(raw(event("bad", now, output_tokens="10")), "wrong_type"),
        Sent(raw(event("bad", now, output_tokens=10**12)), "cost_too_large"),
        Sent(raw(event("twice", now, output_tokens=11)), "conflicting_duplicate"),
        Sent(raw(event("bad", now)["data"]), "invalid_utf8", headers=binary),
    ]


def good_records(now: datetime) -> list[Sent]:
    """What counts, once for each id."""
    odd = [event(f"odd-{at}", now, team=name, user=name) for at, name in enumerate((
        "'; DROP TABLE usage_events; --", "<script>alert(1)</script>", "\u202eevil 🔥", 'a/b\\c"d`e', "é" * 256,
    ))]  # fmt: skip
    months = [
        event(f"month-{at}", datetime(2009 + at // 12, at % 12 + 1, 1, tzinfo=UTC), team="history")
        for at in range(MONTHS)
    ]
    more = [
        event("twice", now),
        event("twice", now),
        event("of-2023", datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)),
        event("newer", now, future_field={"deep": [1, 2]}, another="kept"),
    ]
    return [Sent(raw(one), counts_as=str(one["id"])) for one in (*odd, *months, *more)]


def mixed(good: list[Sent], bad: list[Sent]) -> list[Sent]:
    """Good and bad in turns; in front stands what a bad one contradicts."""
    front, rest = good[-4:], good[:-4]
    pairs = [one for pair in zip(bad, rest, strict=False) for one in pair]
    return [*front, *pairs, *rest[len(bad) :]]


def wait_until(condition: Callable[[], bool], *, what: str, timeout_sec: float = 90) -> None:
    """The condition holds. Fails after `timeout_sec`."""
    deadline = time.monotonic() + timeout_sec
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_sec:.0f} s for {what}")
        signal.sigtimedwait([], 0.2)


def require_equal_in_every_view(stack: Stack, where: str, *, requests: int, tokens: int) -> None:
    """Requests and input tokens of these rows are exactly so in the events and in each rollup."""
    asked = f"toString(sum(input_tokens)) AS tokens FROM {{}} WHERE {where}"
    expected = {"requests": str(requests), "tokens": str(tokens)}
    found = {"usage_events": stack.rows(f"SELECT toString(count()) AS requests, {asked.format('usage_events')}")[0]}
    for view in VIEWS:
        found[view] = stack.rows(f"SELECT toString(sum(requests)) AS requests, {asked.format(view)}")[0]
    assert found == dict.fromkeys(("usage_events", *VIEWS), expected)


def kept_of(record: Sent) -> str:
    """What a dead letter keeps of a record's bytes: all but texts, which `schemas/redaction.py` takes out."""
    binary = any(name == "ce_id" for name, _ in record.headers)
    return base64.b64encode(redacted(record.value or b"", data_only=binary).value).decode()


def test_every_bad_record_is_a_dead_letter_and_every_good_one_counts(stack: Stack) -> None:
    """Dead letters hold the reason and the original bytes; good neighbours count once; no process was restarted."""
    now = datetime.now(UTC)
    good, bad = good_records(now), bad_records(now)
    producer = Producer({
        **stack.login("emitters"), "compression.type": "zstd", "linger.ms": 50,
        "message.max.bytes": 20_000_000, "enable.idempotence": True,
    })  # fmt: skip
    for one in mixed(good, bad):
        producer.produce("usage.events", one.value, key=one.key, headers=list(one.headers))
    assert producer.flush(60) == 0
    stack.run("drain", "--timeout", "120")

    letters = stack.rows("SELECT reason, message, key_base64, value_base64, value_bytes FROM dead_letters")
    assert Counter(row["reason"] for row in letters) == Counter(one.reason for one in bad)
    kept = Counter((row["reason"], row["value_base64"], row["value_bytes"]) for row in letters)
    assert kept == Counter((one.reason, kept_of(one), str(len(one.value or b""))) for one in bad)
    keys = {base64.b64encode(one.key).decode() for one in bad}
    assert {row["key_base64"] for row in letters} <= keys  # the sender's own, whole
    assert [row["message"] for row in letters if "; what to do: " not in row["message"]] == []

    counted = [row["id"] for row in stack.rows("SELECT id FROM usage_events WHERE source = 'poison'")]
    assert Counter(counted) == Counter({one.counts_as for one in good})
    assert len(counted) + len(letters) + 1 == len(good) + len(bad)  # one exact copy was dropped
    require_equal_in_every_view(stack, "org = 'acme'", requests=len(counted), tokens=100 * len(counted))
    (newer,) = stack.rows(
        "SELECT tags['x_another'] AS a, tags['x_future_field'] AS b FROM usage_events WHERE id = 'newer'"
    )
    assert newer == {"a": "kept", "b": "[redacted, 16 characters]"}  # what may hold text is not kept
    parts = stack.status()["parts"]
    assert {name: (parts[name]["health"], parts[name]["restarts"]) for name in PARTS} == dict.fromkeys(PARTS, ("ok", 0))


def test_a_retry_counts_once_when_the_cause_was_mended(stack: Stack, tmp_path: Path) -> None:
    """What was too dear counts under its own id and the next revision, at the right price; sent twice it is once."""
    [letter] = json.loads(stack.run("deadletters", "list", "--reason", "cost_too_large", "--json").stdout)
    [before] = stack.rows("SELECT count() AS letters FROM dead_letters")
    [earlier] = stack.rows("SELECT count() AS events FROM usage_events WHERE org = 'acme'")
    refused = stack.run("deadletters", "retry", "--reason", "in_the_future", "--json", check=False)
    assert (refused.returncode, json.loads(refused.stdout)["sent"]) == (1, 0)  # its cause is not mended
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price_override]]\nid = "right"\norg = "acme"\nprovider = "openai"\nmodel = "gpt-4o"\n'
        "usd_per_mtok = { input = 0.1, output = 0.1 }\n"
    )
    stack.run("apply", str(prices))
    for _ in range(2):
        said = json.loads(stack.run("deadletters", "retry", letter["dead_letter_id"], "--json").stdout)
        assert said["retries"] == [{"dead_letter_id": letter["dead_letter_id"], "id": "bad", "revision": 2}]
    stack.run("drain", "--timeout", "120")
    counted = "SELECT id, revision, toString(cost_usd) AS usd, pricing_status AS how FROM usage_events WHERE id = 'bad'"
    assert stack.rows(counted) == [{"id": "bad", "revision": "2", "usd": "100000.00001", "how": "overridden"}]
    requests = int(earlier["events"]) + 1
    require_equal_in_every_view(stack, "org = 'acme'", requests=requests, tokens=100 * requests)
    assert stack.rows("SELECT count() AS letters FROM dead_letters") == [before]


def test_planted_prompts_and_secrets_are_nowhere(stack: Stack) -> None:
    """Nothing that no contract allows stands in a topic behind the first, in a table, a log, or in what status says."""
    now = datetime.now(UTC)
    texts = {"prompt": PROMPT, "messages": [{"role": "user", "content": PROMPT}], "api_key": SECRET}
    plain = {"user_agent": f"agent/1.0 {SECRET}", "credential": SECRET, "tags": {"note": SECRET, SECRET: "x"},
             "asserted": {"key": SECRET}}  # fmt: skip
    broken = raw(event("bad", now, **texts, **plain))
    records = [
        Sent(raw(event("canary-counted", now, **texts, **plain)), counts_as="canary-counted"),
        Sent(raw(event("canary-refused", now, output_tokens=-1, **texts, **plain))),
        Sent(raw(event("canary-type", now, output_tokens=PROMPT, **plain))),
        Sent(broken[:-1]),
        Sent(broken.replace(b"acme", b"ac\xffme"), key=SECRET.encode()),
        Sent(f"{PROMPT} {SECRET}".encode(), headers=(("authorization", SECRET.encode()), (SECRET, PROMPT.encode()))),
        Sent(
            raw(event("canary-binary", now)["data"]),
            headers=(("ce_id", SECRET.encode()), ("ce_source", SECRET.encode()), ("prompt", PROMPT.encode())),
        ),
    ]
    producer = Producer(stack.login("emitters"))
    for one in records:
        producer.produce("usage.events", one.value, key=one.key, headers=list(one.headers))
    said = {"org": "acme", "outcome_type": "merged", "artifact": SECRET, **texts}
    for id_, data in (("canary-kept", said), ("canary-refused", said | {"accepted": PROMPT})):
        outcome = event(id_, now) | {"type": "burnline.outcome.v1", "data": data}
        producer.produce("usage.outcomes", raw(outcome), key=b"acme")
    assert producer.flush(60) == 0
    stack.run("drain", "--timeout", "120")
    [found] = stack.rows("SELECT count() AS n FROM usage_events WHERE id = 'canary-counted'")
    assert found == {"n": "1"}
    assert stack.rows("SELECT id, artifact FROM outcomes") == [{"id": "canary-kept", "artifact": "[redacted]"}]
    looked_at, where = set(), set()
    for place, content in holdings(stack):
        looked_at.add(place)
        if any(planted in unpacked(content) for planted in (PROMPT[:18].encode(), SECRET.encode())):
            where.add(place)
    assert where == {"topic usage.events", "topic usage.outcomes"}  # what emitters send, for seven days
    assert {"topic internal.rated", "topic usage.dead_letters", "table usage_events_store", "table dead_letters_store",
            "table outcome_revisions_store", "file logs/rating.log", "status"} <= looked_at  # fmt: skip


def test_a_record_that_the_topic_cannot_hold_is_refused_to_its_sender(stack: Stack) -> None:
    """10 MB that do not compress never enter the log: the producer is told at once."""
    producer = Producer({**stack.login("emitters"), "message.max.bytes": 20_000_000})
    told: list[KafkaError] = []
    producer.produce("usage.events", os.urandom(10_000_000), on_delivery=lambda error, _message: told.append(error))
    assert producer.flush(60) == 0
    assert [error.code() for error in told] == [KafkaError.MSG_SIZE_TOO_LARGE]
    with pytest.raises(KafkaException, match="Message size too large"):
        Producer(stack.login("emitters")).produce("usage.events", os.urandom(10_000_000))


def test_kafka_and_clickhouse_may_die_while_a_service_emits(stack: Stack) -> None:
    """Killed and started again by the supervisor, they cost nothing: what the emitter took is counted exactly once."""

    def kill(name: str) -> Callable[[], bool]:
        before = stack.status()["parts"][name]["pid"]
        os.kill(before, signal.SIGKILL)
        return lambda: (stack.status()["parts"][name]["pid"] or before) != before

    login = stack.login("emitters")
    with UsageEmitter(
        bootstrap_servers=login.pop("bootstrap.servers"),
        config=login,
        source="steady",
        defaults={"org": "acme", "team": "steady", "provider": "openai", "model": "gpt-4o"},
        close_timeout_sec=120,
    ) as usage:
        back: list[Callable[[], bool]] = []
        for number in range(EMITTED):
            if number == EMITTED // 3:
                back.append(kill("clickhouse"))
            if number == 2 * EMITTED // 3:
                back.append(kill("kafka"))
            usage.emit(input_tokens=number, output_tokens=1, credential=f"key-{number % 7}")
    for is_back in back:
        wait_until(is_back, what="a killed process to be started again")
    wait_until(lambda: bool(stack.status()["health"] == "ok"), what="all parts to be healthy again")
    stack.run("drain", "--timeout", "120")
    require_equal_in_every_view(stack, "team = 'steady'", requests=EMITTED, tokens=EMITTED * (EMITTED - 1) // 2)
    parts = stack.status()["parts"]
    assert {name: parts[name]["restarts"] for name in PARTS if parts[name]["restarts"]} == {"kafka": 1, "clickhouse": 1}


def test_a_running_stack_can_be_measured(stack: Stack) -> None:
    """`bench latency`: each probe comes out and no budget stays. `bench end-to-end`: what each process took is said."""
    where = ("--state-dir", str(stack.state_dir))
    stages = json.loads(stack.run("bench", "latency", *where, "--rate", "20", "--seconds", "5", "--json").stdout)
    found = [(one["share"], one["alert"]["missing"], one["row"]["missing"]) for one in stages["figures"]["stages"]]
    assert found == [(share, 0, 0) for share in SHARES]
    running = find_stack(stack.state_dir, {})
    assert running is not None
    assert [key for key in in_force(read_log(running.kafka())) if key[1].startswith("bench-")] == []
    figures = measured(running, burst=200, seconds=5, tries=1, say=lambda _line: None)
    assert [one.per_sec for one in figures.tries] == [pytest.approx(figures.burst_per_sec, abs=1)]
    assert {one.name for one in figures.processes} >= {*PARTS, "sending"}
