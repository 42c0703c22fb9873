"""A real Kafka for tests; a conftest imports the fixture `kafka` by name."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_fetch import REPOSITORY_SETTING
from deploy.stack.kafka_jars import KafkaInstallation, default_directory, install_kafka


def installed_kafka() -> KafkaInstallation:
    """The Kafka of this virtual environment; fetched when it is not there yet."""
    repository = os.environ.get(REPOSITORY_SETTING)
    return install_kafka(default_directory(Path(sys.prefix)), repository=repository, on_progress=lambda *_: None)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of a real broker on loopback that lives as long as the test session."""
    with running_kafka(tmp_path_factory.mktemp("kafka"), installed_kafka()) as running:
        yield running.bootstrap_servers
