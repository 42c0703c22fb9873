"""The directory of a local broker: formatted once, recognised ever after, never taken from somebody else.

Layout: `server.properties` and `log4j2.properties` (written anew at each start), `data/` (Kafka's), `tmp/` (Java's).
Kafka's StorageTool formats `data.partial`, or what it wrote before is repeated (`kafka_format.py`); one rename makes it
`data`. So `data` is whole, or is not ours.
"""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.kafka_config import (
    NODE_ID,
    KafkaConfig,
    jvm_flags,
    log4j2_properties,
    scram_arguments,
    server_properties,
    to_properties,
)
from deploy.stack.kafka_format import format_from, keep_checkpoint, new_kafka_id
from deploy.stack.kafka_jars import KafkaInstallation
from schemas.errors import CorruptStateError, SettingsError

_FORMAT = 2  # 1: by Kafka 4.4.0, whose metadata 4.2.2 does not read; one more also where features change
_FORMAT_TIMEOUT_SEC = 120.0


@dataclass(frozen=True)
class KafkaDirectory:
    """The paths of one broker's directory."""

    root: Path

    @property
    def data(self) -> Path:
        """Topics and metadata, written by Kafka alone."""
        return self.root / "data"

    @property
    def partial(self) -> Path:
        """A `data` that is not formatted to its end."""
        return self.root / "data.partial"

    @property
    def temporary(self) -> Path:
        """Java's temporary files; emptied at each start."""
        return self.root / "tmp"

    @property
    def server_properties(self) -> Path:
        """The broker's configuration; holds passwords where there are any."""
        return self.root / "server.properties"

    @property
    def log4j2_properties(self) -> Path:
        """The configuration of Kafka's logging."""
        return self.root / "log4j2.properties"

    @property
    def passport(self) -> Path:
        """Says that we formatted `data`, and how; Kafka ignores it."""
        return self.data / "burnline.json"


def prepare(state_dir: Path, config: KafkaConfig, installation: KafkaInstallation) -> KafkaDirectory:
    """The directory is formatted (once), configured (anew) and private; a broker may be started on it.

    Raises:
        SettingsError: it belongs to somebody else, cannot be written, or was formatted for other SCRAM users.
        CorruptStateError: it is ours, but damaged.
    """
    directory = KafkaDirectory(state_dir.absolute())
    if "," in str(directory.root):
        raise SettingsError(f"Kafka cannot keep its data in {directory.root}: the path has a comma; choose another")
    try:
        directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.root.chmod(0o700)
        formatted = directory.data.exists()
        if formatted:
            _recognise(directory, config)
        else:
            _refuse_foreign(directory)
        shutil.rmtree(directory.temporary, ignore_errors=True)
        directory.temporary.mkdir(mode=0o700)
        _write_private(directory.log4j2_properties, log4j2_properties())
        if not formatted:
            _format(directory, config, installation)
        _write_private(directory.server_properties, to_properties(server_properties(config, directory.data)))
    except OSError as error:
        raise SettingsError(
            f"Kafka's directory {directory.root} cannot be used: {error.strerror or error}; "
            "make it writable, or choose another state directory"
        ) from error
    return directory


def java_command(
    installation: KafkaInstallation, directory: KafkaDirectory, config: KafkaConfig, *program: str
) -> list[str]:
    """The argument vector that runs one of Kafka's programs with the broker's own flags."""
    flags = jvm_flags(config, log4j2_file=directory.log4j2_properties, temporary_dir=directory.temporary)
    if installation.startup_cache.is_file():
        # "auto", the default, starts without a cache that does not fit; it would only say so on each start.
        flags += [f"-XX:AOTCache={installation.startup_cache}", "-Xlog:aot*=off,cds*=off,class+path=off"]
    return [str(installation.java), *flags, "-cp", installation.classpath, *program]


def _refuse_foreign(directory: KafkaDirectory) -> None:
    ours = {directory.partial, directory.temporary, directory.server_properties, directory.log4j2_properties}
    foreign = sorted(entry.name for entry in directory.root.iterdir() if entry not in ours and entry.suffix != ".log")
    if foreign:
        raise SettingsError(
            f"{directory.root} holds {foreign[0]!r}, which is not Kafka's; choose an empty or new state directory"
        )


def _format(directory: KafkaDirectory, config: KafkaConfig, installation: KafkaInstallation) -> None:
    """A crash anywhere in here leaves `data.partial`, which the next call removes."""
    shutil.rmtree(directory.partial, ignore_errors=True)
    cluster_id = new_kafka_id()
    kept = installation.directory / f"formatted-{_FORMAT}.checkpoint"
    if _scram_fingerprint(config) is None and kept.is_file():
        format_from(kept, directory.partial, cluster_id=cluster_id)
    else:
        _run_storage_tool(directory, config, installation, cluster_id=cluster_id)
        if _scram_fingerprint(config) is None:
            keep_checkpoint(directory.partial, kept)
    passport = {"format": _FORMAT, "cluster_id": cluster_id, "scram": _scram_fingerprint(config)}
    _write_private(directory.partial / directory.passport.name, json.dumps(passport) + "\n")
    directory.partial.rename(directory.data)


def _run_storage_tool(
    directory: KafkaDirectory, config: KafkaConfig, installation: KafkaInstallation, *, cluster_id: str
) -> None:
    """`data.partial` is formatted. Raises: SettingsError: Kafka's tool could not."""
    _write_private(directory.server_properties, to_properties(server_properties(config, directory.partial)))
    config_file = str(directory.server_properties)
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", config_file]
    done = subprocess.run(
        java_command(installation, directory, config, *tool, *scram_arguments(config.access)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_FORMAT_TIMEOUT_SEC,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-1500:].strip()
        raise SettingsError(f"Kafka's storage tool could not format {directory.root} (exit {done.returncode}):\n{said}")


def _recognise(directory: KafkaDirectory, config: KafkaConfig) -> None:
    try:
        passport = json.loads(directory.passport.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            f"{directory.data} was not made by Burnline; choose an empty or new state directory"
        ) from error
    except ValueError as error:
        raise _damaged(directory, f"{directory.passport.name} cannot be read") from error
    if not isinstance(passport, dict) or passport.get("format") != _FORMAT:
        raise SettingsError(
            f"{directory.data} was formatted by another version of Burnline; use that one, or another state directory"
        )
    meta = _meta_properties(directory)
    if (meta.get("cluster.id"), meta.get("node.id")) != (passport.get("cluster_id"), str(NODE_ID)):
        raise _damaged(directory, "meta.properties names another cluster or node than the one that was formatted here")
    if passport.get("scram") != _scram_fingerprint(config):
        raise SettingsError(
            f"{directory.data} was formatted for other SCRAM users or passwords; they are fixed at the first start. "
            "Give the same ones, or choose a new state directory"
        )


def _meta_properties(directory: KafkaDirectory) -> dict[str, str]:
    try:
        text = (directory.data / "meta.properties").read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise _damaged(directory, "meta.properties is missing or cannot be read") from error
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _damaged(directory: KafkaDirectory, fault: str) -> CorruptStateError:
    return CorruptStateError(
        f"Kafka's data in {directory.data} is damaged: {fault}. "
        "Restore the directory from a backup, or start on a new state directory"
    )


def _scram_fingerprint(config: KafkaConfig) -> str | None:
    """Changes when the SCRAM users or their passwords do; None without SCRAM. The directory is private."""
    arguments = scram_arguments(config.access)
    return hashlib.sha256("\n".join(arguments).encode()).hexdigest() if arguments else None


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
