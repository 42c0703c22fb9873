"""A whole stack as a user has it: started, asked and stopped through the command line alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.find import find_stack
from deploy.stack.status import look
from sinks.store import connector

ROOT = Path(__file__).parents[1]
TRACE = ROOT.parent / "shared/data/azure_llm_2023/AzureLLMInferenceTrace_code.csv"
SET = ("--set", "org=acme", "team=code", "model=gpt-4o", "provider=openai")


@dataclass(frozen=True)
class Stack:
    """A running stack and its command line."""

    state_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The environment of its commands: this stack and its settings, none of whoever runs the tests."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")},
            "BURNLINE_STATE_DIR": str(self.state_dir),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'producers/client'}",
            **self.settings,
        }

    def run(self, *args: str, check: bool = True, timeout_sec: float = 300) -> subprocess.CompletedProcess[str]:
        """One call of `burnline` against this stack."""
        command = [sys.executable, "-m", "deploy", *args]
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=timeout_sec, check=False
        )
        if check and done.returncode != 0:
            pytest.fail(
                f"burnline {' '.join(args)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done

    def status(self) -> dict[str, Any]:
        """What `burnline status --json` says, healthy or not; every component by its name under `parts`.

        Asked in this process: who waits asks often, and each command would take a CPU second from the stack.
        """
        found = find_stack(self.state_dir, {})
        if found is None:
            pytest.fail(f"there is no stack in {self.state_dir}")
        said: dict[str, Any] = look(found).to_json()
        said["parts"] = {part["name"]: part for part in said["components"]}
        return said

    def rows(self, query: str) -> list[dict[str, str]]:
        """What a query says to an analyst; numbers as text, so that nothing is rounded. Asked in this process."""
        found = find_stack(self.state_dir, {})
        if found is None:
            pytest.fail(f"there is no stack in {self.state_dir}")
        settings = found.clickhouse()
        with closing(connector(settings)(settings.database)) as client:
            printed = client.raw_query(query, fmt="JSONEachRow").decode()
        return [json.loads(line, parse_float=str, parse_int=str) for line in printed.splitlines()]

    def bootstrap_servers(self) -> str:
        """Where the stack's Kafka listens."""
        return str(json.loads((self.state_dir / "stack.json").read_text())["kafka_bootstrap_servers"])

    def login(self, user: str = "operator") -> dict[str, Any]:
        """What clients of confluent-kafka need to reach the stack's Kafka as this user."""
        found = find_stack(self.state_dir, {})
        if found is None:
            pytest.fail(f"there is no stack in {self.state_dir}")
        return found.kafka(user=user).to_confluent()


def started(state_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A stack on free ports; nothing of it is left afterwards."""
    stack = Stack(state_dir, settings or {})
    stack.run("up", "--state-dir", str(state_dir), "--kafka-port", "0", "--clickhouse-port", "0")
    try:
        yield stack
    finally:
        stack.run("down", "--state-dir", str(state_dir), "--now")
