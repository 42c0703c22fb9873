"""The same way with containers: `deploy/compose.yaml` as it stands, Burnline's processes beside it.

Skips where no container engine answers.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.ports import free_port
from tests.cli_stack import ROOT

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:17:{second:02}.0000000,{100 + second},{second}\n" for second in range(1, 41)
)


def no_engine() -> str | None:
    """Why no container can be started here; None where one can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=30, check=False)
    lines = (done.stderr or done.stdout).strip().splitlines()
    return None if done.returncode == 0 else f"no container engine answers: {lines[-1] if lines else 'no reason given'}"


REASON = no_engine()
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of `burnline` beside running containers; they and their volumes are gone afterwards."""
    from testcontainers.compose import DockerCompose  # noqa: PLC0415  needed only where an engine answers

    folder = tmp_path_factory.mktemp("compose")
    password = secrets.token_hex(16)
    (folder / "password").write_text(password)
    (folder / "kafka").write_text(kafka_password := secrets.token_hex(16))
    kafka_port, clickhouse_port = free_port(), free_port()
    (folder / "env").write_text(
        f"KAFKA_PORT={kafka_port}\nCLICKHOUSE_PORT={clickhouse_port}\nCLICKHOUSE_PASSWORD={password}\n"
        f"KAFKA_PASSWORD={kafka_password}\n"
    )
    compose = DockerCompose(ROOT / "deploy", compose_file_name="compose.yaml", env_file=str(folder / "env"))
    with compose:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")},
            "BURNLINE_STATE_DIR": str(folder / "state"),
            "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka_port}",
            "BURNLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "BURNLINE_KAFKA_SASL_MECHANISM": "PLAIN",
            "BURNLINE_KAFKA_SASL_USERNAME": "operator",
            "BURNLINE_KAFKA_SASL_PASSWORD_FILE": str(folder / "kafka"),
            "BURNLINE_CLICKHOUSE_URL": f"http://127.0.0.1:{clickhouse_port}",
            "BURNLINE_CLICKHOUSE_USER": "burnline",
            "BURNLINE_CLICKHOUSE_PASSWORD_FILE": str(folder / "password"),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'producers/client'}",
        }


def run(environment: dict[str, str], *args: str) -> str:
    """What a call of `burnline` printed that must succeed."""
    command = [sys.executable, "-m", "deploy", *args]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{args}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_events_go_the_whole_way_through_containers(environment: dict[str, str], tmp_path: Path) -> None:
    """Replay, drain, ask: counts are exact, with official images of Kafka and ClickHouse."""
    run(environment, "up")
    try:
        trace = tmp_path / "trace.csv"
        trace.write_text(TRACE)
        fields = ("org=acme", "team=code", "model=gpt-4o", "provider=openai")
        run(environment, "replay", "azure-llm", str(trace), "--set", *fields)
        run(environment, "drain", "--timeout", "120")
        asked = "SELECT count() AS requests, sum(input_tokens) AS tokens FROM usage_events"
        found = json.loads(run(environment, "sql", asked, "--format", "JSONEachRow"))
        assert {name: int(value) for name, value in found.items()} == {"requests": 40, "tokens": 40 * 100 + 820}
    finally:
        run(environment, "down")
