"""The start-up cache changes how fast Kafka starts, and nothing else."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_warm import warm_kafka
from tests.stack import installed_kafka

pytestmark = pytest.mark.real


def test_a_cache_is_made_once_is_used_and_may_break(tmp_path: Path) -> None:
    """A broker starts with the cache and says nothing of it; with half of the cache it starts as without."""
    whole = installed_kafka()
    directory = tmp_path / "installation"
    shutil.copytree(whole.directory, directory, ignore=shutil.ignore_patterns("*.aot"))
    installation = replace(whole, directory=directory)

    assert warm_kafka(installation)
    made = installation.startup_cache.stat()
    assert warm_kafka(installation)
    assert installation.startup_cache.stat() == made
    assert [one.name for one in directory.iterdir() if one.suffix not in {".jar", ".checkpoint"}] == ["kafka.aot"]
    with running_kafka(tmp_path / "state", installation) as running:
        assert f"-XX:AOTCache={installation.startup_cache}" in str(running.process.args)
        assert "aot" not in running.log.read_text()

    os.truncate(installation.startup_cache, made.st_size // 2)
    with running_kafka(tmp_path / "state", installation) as running:
        assert "aot" not in running.log.read_text()
