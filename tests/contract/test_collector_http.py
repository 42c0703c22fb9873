"""The collector as its callers meet it: what it answers, what it bounds, how it ends. The broker is a stub.

Long because each bound has its caller.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from confluent_kafka import Producer

from producers.collector import delivery
from producers.collector.app import Bounds
from producers.collector.grants import add_grant
from producers.collector.numbers import families
from producers.collector.server import serve
from schemas.connection import KafkaSettings
from schemas.heartbeats import COLLECTOR, is_beat
from tests.contract.producers_reading import read_all
from tests.unit.test_collector_intake import BATCH, ONE

QUICK = Bounds(header_sec=0.4, body_sec=0.4, acknowledge_sec=10.0)


def event(number: int = 1, **data: Any) -> dict[str, Any]:
    """A usage event of a moment ago."""
    return {
        "specversion": "1.0", "type": "burnline.usage.v1", "source": "svc", "id": f"e-{number}",
        "time": "2026-01-22T09:15:03Z", "data": {"provider": "openai", "model": "m", "input_tokens": number, **data},
    }  # fmt: skip


@pytest.fixture
def broker() -> Any:
    """Bootstrap servers of a broker inside this process."""
    host = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1, "log_level": 0})
    (found,) = host.list_topics(timeout=10).brokers.values()
    host.list_topics("usage.events", timeout=10)
    yield f"{found.host}:{found.port}"
    del host


class Caller:
    """Who posts to a running collector."""

    def __init__(self, address: str, token: str, session: aiohttp.ClientSession) -> None:
        self.address, self.token, self.session = address, token, session

    async def post(
        self, body: Any, kind: str = ONE, *, path: str = "/v1/events", token: str | None = None, **more: str
    ) -> tuple[int, Any, Any]:
        """Status, headers and body of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token if token is None else token}", "content-type": kind, **more}
        async with self.session.post(self.address + path, data=raw, headers=headers) as answer:
            return answer.status, answer.headers, json.loads(await answer.read())


@asynccontextmanager
async def collector(
    tmp_path: Path, broker: str, bounds: Bounds = QUICK, *, beat_sec: float = 0.0
) -> AsyncIterator[tuple[Caller, asyncio.Event]]:
    """A running collector and a caller with a token; it has ended when the block has."""
    tokens = tmp_path / "tokens.toml"
    token = add_grant(tokens, org="acme", credential="checkout")
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    kafka = KafkaSettings(bootstrap_servers=broker)
    serving = asyncio.create_task(
        serve(
            host="127.0.0.1",
            port=0,
            kafka=kafka,
            tokens=tokens,
            bounds=bounds,
            on_ready=ready.set_result,
            stop=stop,
            beat_sec=beat_sec,
        )
    )
    try:
        address = await asyncio.wait_for(ready, 15)
        async with aiohttp.ClientSession() as session:
            yield Caller(address, token, session), stop
    finally:
        stop.set()
        await serving


def test_what_is_accepted_stands_in_kafka(tmp_path: Path, broker: str) -> None:
    """202 and the record is there; of a batch the good ones, and the answer names the others. So is its heartbeat."""
    before = {"/".join(one.labels.values()): one.value for family in families() for one in family.samples}

    async def work() -> None:
        async with collector(tmp_path, broker, beat_sec=3600) as (caller, _):
            assert (await caller.post(event(1)))[0] == 202
            status, _, said = await caller.post([event(2), event(3, input_tokens=-1), event(4)], BATCH)
            assert (status, said["accepted"], [one["id"] for one in said["refused"]]) == (202, 2, ["e-3"])
            stands = await asyncio.to_thread(_records, broker)
            [beat] = [record.headers for record in stands if is_beat(record.headers)]
            assert dict(beat)["ce_id"].decode().startswith(COLLECTOR)
            ids = [json.loads(record.value)["id"] for record in stands if not is_beat(record.headers)]
            assert sorted(ids) == ["e-1", "e-2", "e-4"]
            status, _, said = await caller.post({"resourceSpans": []}, "application/json", path="/v1/traces")
            assert (status, said) == (200, {})
            async with caller.session.get(f"{caller.address}/health") as answer:
                assert (answer.status, await answer.json()) == (200, {"status": "ok"})

    asyncio.run(work())
    after = {"/".join(one.labels.values()): one.value for family in families() for one in family.samples}
    more = {name: after[name] - before.get(name, 0) for name in ("accepted", "refused", "/v1/events/202")}
    assert more == {"accepted": 3, "refused": 1, "/v1/events/202": 2}


def _records(broker: str) -> list[Any]:
    return list(read_all(broker, "usage.events"))


def test_what_is_not_taken_says_what_to_do(tmp_path: Path, broker: str) -> None:
    """Each refusal is a problem in JSON with its status, never an echo of what was sent."""
    small = replace(QUICK, max_body_bytes=2000)

    async def work() -> None:
        async with collector(tmp_path, broker, small) as (caller, _):
            cases: list[tuple[int, str, tuple[int, Any, Any]]] = [
                (401, "collector token", await caller.post(event(), token="secret-guess")),
                (401, "Bearer", await caller.post(event(), authorization="Basic c2VjcmV0")),
                (400, "no event", await caller.post(event(input_tokens=-1))),
                (400, "no JSON array", await caller.post(b"[secret", BATCH)),
                (413, "2000 bytes", await caller.post(b"x" * 3000)),
                (415, "cloudevents-batch", await caller.post(b"secret", "text/plain")),
                (415, "x-protobuf", await caller.post(b"secret", "text/plain", path="/v1/traces")),
                (400, "ExportTrace", await caller.post(b"secret", "application/x-protobuf", path="/v1/traces")),
                (404, "/v1/events", await caller.post(event(), path="/v2/events")),
            ]
            for status, said, (got, headers, problem) in cases:
                assert (got, problem["status"]) == (status, status), problem
                assert headers["content-type"].startswith("application/problem+json")
                assert said in problem["detail"]
                assert "secret" not in json.dumps(problem)
            async with caller.session.get(f"{caller.address}/v1/events") as answer:
                assert answer.status == 405

    asyncio.run(work())


def test_a_body_that_unpacks_beyond_the_bound_is_refused(tmp_path: Path, broker: str) -> None:
    """Compressed bodies are read, and bounded as what they unpack to."""
    import gzip  # noqa: PLC0415  only here

    small = replace(QUICK, max_body_bytes=2000)

    async def work() -> None:
        async with collector(tmp_path, broker, small) as (caller, _):
            good = gzip.compress(json.dumps(event()).encode())
            bomb = gzip.compress(b" " * 1_000_000)
            assert len(bomb) < 2000
            assert (await caller.post(good, **{"content-encoding": "gzip"}))[0] == 202
            assert (await caller.post(bomb, **{"content-encoding": "gzip"}))[0] == 413

    asyncio.run(work())


def test_kafka_away_is_try_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """503 with Retry-After, within the time that was set; health says so, and the log in one line."""
    quick = replace(QUICK, acknowledge_sec=0.3)

    async def work() -> None:
        async with collector(tmp_path, "127.0.0.1:9", quick) as (caller, _):
            status, headers, problem = await caller.post(event())
            assert (status, headers["retry-after"]) == (503, "5")
            assert "counts once" in problem["detail"]
            async with caller.session.get(f"{caller.address}/health") as answer:
                assert answer.status == 503

    asyncio.run(work())
    [said] = [record.getMessage() for record in caplog.records if record.name.startswith("producers.collector")]
    assert said.startswith("Kafka at 127.0.0.1:9 does not answer: ")


def test_who_sends_again_is_heard_by_a_new_connection(
    tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that gets no answer for good fails requests once; health is well again, and so is the next one."""
    quick = replace(QUICK, acknowledge_sec=5.0)
    made: list[Producer] = []

    def connect(settings: dict[str, Any], **more: Any) -> Producer:
        lost = {"bootstrap.servers": "127.0.0.1:9", "message.timeout.ms": 200}
        made.append(Producer(settings | (lost if not made else {}), **more))
        return made[-1]

    monkeypatch.setattr(delivery, "Producer", connect)

    async def work() -> None:
        async with collector(tmp_path, broker, quick) as (caller, _):
            assert [status for status, _, _ in await asyncio.gather(*(caller.post(event(n)) for n in (1, 2)))] == [
                503
            ] * 2
            assert (await caller.post(event(3)))[0] == 202
            async with caller.session.get(f"{caller.address}/health") as answer:
                assert answer.status == 200
        assert len(made) == 2

    asyncio.run(work())


def test_too_much_at_once_is_told_to_come_back(tmp_path: Path, broker: str) -> None:
    """429 with Retry-After, before the body is read."""
    narrow = replace(QUICK, max_waiting_bytes=10)

    async def work() -> None:
        async with collector(tmp_path, broker, narrow) as (caller, _):
            status, headers, _ = await caller.post(event())
            assert (status, headers["retry-after"]) == (429, "1")

    asyncio.run(work())


@pytest.mark.parametrize("slow", ["header", "body", "nothing"])
def test_slow_callers_are_shown_out(tmp_path: Path, broker: str, slow: str) -> None:
    """Who sends a header or a body too slowly, or says nothing, does not hold a connection; others are served."""

    async def work() -> None:
        async with collector(tmp_path, broker) as (caller, _):
            host, port = caller.address.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            head = f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {caller.token}\r\n"
            head += "content-type: application/cloudevents+json\r\ncontent-length: 100\r\n"
            writer.write({"header": head, "body": head + "\r\n{", "nothing": ""}[slow].encode())
            assert (await caller.post(event()))[0] == 202
            said = await asyncio.wait_for(reader.read(), 15)
            assert said.startswith(b"HTTP/1.1 408") == (slow == "body")
            writer.close()

    asyncio.run(work())


def test_a_stop_answers_what_has_begun(tmp_path: Path, broker: str) -> None:
    """A request whose body is still on its way when the collector is told to stop is taken, and answered."""
    patient = replace(QUICK, body_sec=10)

    async def work() -> None:
        async with collector(tmp_path, broker, patient) as (caller, stop):
            body = json.dumps(event(7)).encode()
            host, port = caller.address.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            head = (
                f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {caller.token}\r\nexpect: 100-continue"
            )
            head += f"\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode())
            assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
            stop.set()
            writer.write(body)
            assert (await asyncio.wait_for(reader.read(), 15)).startswith(b"HTTP/1.1 202")
            writer.close()
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection(host, int(port))
        assert [json.loads(record.value)["id"] for record in _records(broker)] == ["e-7"]

    asyncio.run(work())
