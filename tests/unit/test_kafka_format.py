"""A broker's directory that is formatted from what Kafka's own tool wrote before."""

from pathlib import Path

import pytest

from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser
from deploy.stack.kafka_format import keep_checkpoint
from deploy.stack.kafka_jars import KafkaInstallation
from deploy.stack.kafka_storage import prepare
from schemas.errors import SettingsError

CONFIG = KafkaConfig(client_port=9, controller_port=10)


@pytest.fixture
def installation(tmp_path: Path) -> KafkaInstallation:
    """One whose Java does not exist, in which a checkpoint was kept."""
    written = tmp_path / "written"
    written.mkdir()
    (written / "bootstrap.checkpoint").write_bytes(b"features")
    directory = tmp_path / "kafka"
    directory.mkdir()
    keep_checkpoint(written, directory / "formatted-2.checkpoint")
    return KafkaInstallation(directory, (), tmp_path / "no-java")


def _meta(data: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (data / "meta.properties").read_text().splitlines())


def test_a_directory_is_formatted_without_java_and_has_ids_of_its_own(
    tmp_path: Path, installation: KafkaInstallation
) -> None:
    """The features are those of the first one; two directories are never one cluster."""
    found = [prepare(tmp_path / name, CONFIG, installation).data for name in ("a", "b")]
    assert [(data / "bootstrap.checkpoint").read_bytes() for data in found] == [b"features"] * 2
    one, other = map(_meta, found)
    assert one.keys() == {"version", "node.id", "cluster.id", "directory.id"}
    assert (one["version"], one["node.id"]) == ("1", "1")
    assert len({one["cluster.id"], one["directory.id"], other["cluster.id"], other["directory.id"]}) == 4
    prepare(tmp_path / "a", CONFIG, installation)  # it is recognised as ours


def test_users_that_stand_in_the_log_are_written_by_kafkas_own_tool(
    tmp_path: Path, installation: KafkaInstallation
) -> None:
    """A kept checkpoint knows nothing of them."""
    access = KafkaAccess((KafkaUser("admin", "secret", super_user=True),), "SCRAM-SHA-512")
    with pytest.raises(SettingsError, match="No such file or directory"):
        prepare(tmp_path / "a", KafkaConfig(9, 10, access), installation)


def test_an_installation_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    """Each directory is formatted by Java then, as before."""
    (tmp_path / "bootstrap.checkpoint").write_bytes(b"features")
    keep_checkpoint(tmp_path, tmp_path / "missing" / "kept")
    assert not (tmp_path / "missing").exists()
