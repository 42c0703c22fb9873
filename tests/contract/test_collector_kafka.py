"""`burnline collector` as a process before a real Kafka: every 202 stands there, through a stop as well."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from schemas.heartbeats import is_beat
from schemas.usage_codec import decode
from tests.contract.producers_reading import make_topic, read_all
from tests.contract.test_collector_http import event

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.real


@pytest.fixture
def running(kafka: str, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", str, str]]:
    """The process, its address and a token; what it writes to goes to a topic of its own prefix."""
    make_topic(kafka, "collector.usage.events")
    environment = {
        **os.environ, "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": kafka, "BURNLINE_KAFKA_TOPIC_PREFIX": "collector.",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "deploy", "collector"]
    tokens = ["--tokens", str(tmp_path / "tokens.toml")]
    made = subprocess.run(
        [*command, "token", "--org", "acme", "--credential", "checkout", *tokens],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", *tokens], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = json.loads(process.stderr.readline())
        assert (said["process"], said["event"]) == ("collector", "listens")
        yield process, said["address"], made.stdout.strip()
        process.kill()


def test_every_202_stands_in_kafka_through_a_stop(
    kafka: str, running: tuple["subprocess.Popen[str]", str, str]
) -> None:
    """Callers post until SIGTERM ends it: what was acknowledged to them is there once each, and the exit code is 0."""
    process, address, token = running
    accepted: list[str] = []

    async def post(session: aiohttp.ClientSession, caller: int) -> None:
        for number in range(caller * 1000, caller * 1000 + 1000):
            headers = {"authorization": f"Bearer {token}", "content-type": "application/cloudevents+json"}
            try:
                async with session.post(f"{address}/v1/events", json=event(number), headers=headers) as answer:
                    assert answer.status == 202
                    accepted.append(f"e-{number}")
            except aiohttp.ClientError:
                return
            if len(accepted) == 200:
                process.send_signal(signal.SIGTERM)

    async def work() -> None:
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(post(session, caller) for caller in range(8)))

    asyncio.run(work())
    assert process.wait(30) == 0
    found = read_all(kafka, "collector.usage.events")
    records = [decode(record.value) for record in found if not is_beat(record.headers)]  # it tells that it lives, too
    stands = [record.id for record in records]
    assert len(accepted) >= 200
    assert set(accepted) <= set(stands)
    assert len(stands) == len(set(stands))
    assert {(record.source, record.data.org, record.data.credential) for record in records} == {
        ("acme/checkout/svc", "acme", "checkout")
    }
    assert json.dumps(stands).count(token) == 0
