"""Runs a local broker: the command for a supervisor, readiness by real requests, and a whole broker for tests."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser
from deploy.stack.kafka_jars import KafkaInstallation
from deploy.stack.kafka_storage import KafkaDirectory, java_command, prepare
from deploy.stack.ports import free_port, require_free
from schemas.errors import KafkaUnavailableError

PORT_FLAG = "--kafka-port"
READY_TIMEOUT_SEC = 60.0
_STOP_TIMEOUT_SEC = 60.0
_ASK_TIMEOUT_SEC = 0.5
_LOG_TAIL_CHARACTERS = 2000


def require_ports(config: KafkaConfig) -> None:
    """Raises: SettingsError: one of the broker's ports is taken; the sentence says by whom and what to do."""
    require_free(config.client_port, of="Kafka", flag=PORT_FLAG)
    require_free(config.controller_port, of="Kafka's controller", flag=PORT_FLAG)


def command(installation: KafkaInstallation, state_dir: Path, config: KafkaConfig) -> list[str]:
    """The argument vector that runs the broker in the foreground; it logs to standard output and ends on SIGTERM.

    `prepare` comes first. Ended by SIGTERM, Java's exit code is 143.
    """
    directory = KafkaDirectory(state_dir.absolute())
    return java_command(installation, directory, config, "kafka.Kafka", str(directory.server_properties))


def wait_ready(
    bootstrap_servers: str,
    timeout_sec: float = READY_TIMEOUT_SEC,
    *,
    client: Mapping[str, str] | None = None,
    ended: Callable[[], str | None] = lambda: None,
) -> float:
    """Seconds until a broker took part in the cluster: it is in its own metadata, and a controller leads.

    `client` holds further librdkafka settings, such as SASL ones. `ended` says why there is nothing to wait for.

    Raises: KafkaUnavailableError: the time is over, or `ended` said so.
    """
    start = time.monotonic()
    quiet = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, **quiet, **(client or {})})
    last = "no answer"
    while True:
        try:
            if admin.list_topics(timeout=_ASK_TIMEOUT_SEC).brokers:
                admin.describe_cluster(request_timeout=READY_TIMEOUT_SEC).result(READY_TIMEOUT_SEC)
                return time.monotonic() - start
        except KafkaException as error:
            last = str(error.args[0])
        why = ended()
        if why is not None:
            raise KafkaUnavailableError(why)
        if time.monotonic() - start > timeout_sec:
            raise KafkaUnavailableError(
                f"Kafka at {bootstrap_servers} was not ready within {timeout_sec:g} s: {last}; see its log"
            )


@dataclass(frozen=True)
class RunningKafka:
    """A broker of ours that runs."""

    config: KafkaConfig
    log: Path
    process: subprocess.Popen[bytes]
    ready_after_sec: float

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return self.config.bootstrap_servers

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self.process.pid

    def kill(self) -> None:
        """The broker is gone as by `kill -9`."""
        self.process.kill()
        self.process.wait()


def client_login(access: KafkaAccess | None, user: KafkaUser | None = None) -> dict[str, str]:
    """The librdkafka settings with which a user (the broker's own when None) logs in; empty without access control."""
    if access is None:
        return {}
    me = user or access.broker_user
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": access.mechanism,
        "sasl.username": me.name,
        "sasl.password": me.password,
    }


@contextmanager
def running_kafka(
    state_dir: Path,
    installation: KafkaInstallation,
    *,
    config: KafkaConfig | None = None,
    timeout_sec: float = READY_TIMEOUT_SEC,
    more_java_flags: tuple[str, ...] = (),
) -> Iterator[RunningKafka]:
    """A broker that is ready inside the block and gone after it; on free ports unless `config` names some.

    Called again on the same directory, it goes on with the same data.

    Raises: KafkaUnavailableError: it does not become ready; the message ends with its log. See also `prepare`.
    """
    config = config or KafkaConfig(client_port=free_port(), controller_port=free_port())
    require_ports(config)
    prepare(state_dir, config, installation)
    log = state_dir / "kafka.log"
    java, *rest = command(installation, state_dir, config)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [java, *more_java_flags, *rest],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        ready_after_sec = wait_ready(
            config.bootstrap_servers,
            timeout_sec,
            client=client_login(config.access),
            ended=lambda: _ended(process, log),
        )
        yield RunningKafka(config, log, process, ready_after_sec)
    finally:
        _stop(process)


def _ended(process: subprocess.Popen[bytes], log: Path) -> str | None:
    if process.poll() is None:
        return None
    tail = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:].strip()
    return f"Kafka ended with code {process.returncode} before it was ready:\n{tail}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_SEC)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
