"""One line and the environment: a service that knows nothing else of Burnline, and forks."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import Told
from tests.provider import Stub


def test_a_service_described_by_its_environment_tells_its_calls_through_a_fork(provider: Stub, told: Told) -> None:
    """Nothing is closed by hand: each process tells its own calls, once; one that ends hard flushes before."""
    environment = {
        **os.environ, "BURNLINE_ORG": "acme", "BURNLINE_TEAM": "web", "BURNLINE_SOURCE": "forking",
        "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": told.broker,
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "tests.forking_service", f"{provider.url}/v1"],
        cwd=Path(__file__).parents[1],
        env=environment,
        check=True,
        timeout=60,
    )
    events = [json.loads(raw) for raw in told.raw()]
    assert {event["source"] for event in events} == {"forking"}
    assert {event["data"]["team"] for event in events} == {"web"}
    assert sorted(event["data"]["requested_model"] for event in events) == [
        "before", "child", "hasty", "parent",
    ]  # fmt: skip
