"""The emitter that the environment describes, for those who give none: one for the process, made when first needed.

| variable | meaning |
|---|---|
| BURNLINE_KAFKA_BOOTSTRAP_SERVERS | host:port, comma separated; 127.0.0.1:9092 unless set |
| BURNLINE_KAFKA_SECURITY_PROTOCOL, _SASL_MECHANISM, _SASL_USERNAME, _SASL_PASSWORD_FILE, _CA_FILE | as for Burnline |
| BURNLINE_KAFKA_TOPIC_PREFIX | before the topic's name |
| BURNLINE_SOURCE | who emits; the name of the program unless set |
| BURNLINE_ORG | who pays; required |
| BURNLINE_BUSINESS_UNIT, _COST_CENTER, _TEAM, _PROJECT, _SERVICE, _ENVIRONMENT, _AGENT, _USE_CASE | of every event |
| BURNLINE_SPOOL_DIR | a folder where events wait while Kafka is away |
| BURNLINE_FINGERPRINT_KEY_FILE | a file that holds the secret for fingerprints |
| BURNLINE_CREDENTIAL_PEPPER_FILE | a file of one line, `k1:SECRET`, under which ids of API keys are made |
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from burnline_client.context import checked
from burnline_client.credentials import Pepper, read_pepper
from burnline_client.emitter import UsageEmitter
from burnline_client.errors import InvalidUsageError

_FIELDS = (
    "org", "team", "project", "service", "environment", "cost_center", "business_unit", "agent", "use_case",
)  # fmt: skip
_KAFKA = "BURNLINE_KAFKA_"
_SECURITY = {
    "SECURITY_PROTOCOL": "security.protocol",
    "SASL_MECHANISM": "sasl.mechanism",
    "SASL_USERNAME": "sasl.username",
    "CA_FILE": "ssl.ca.location",
}


def kafka_from_environment(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Where Kafka is and as whom to log in: the arguments `bootstrap_servers`, `topic` and `config` of UsageEmitter.

    Raises: OSError: the file of the password cannot be read.
    """
    found = os.environ if environment is None else environment
    config = {name: found[_KAFKA + key] for key, name in _SECURITY.items() if found.get(_KAFKA + key)}
    password_file = found.get(f"{_KAFKA}SASL_PASSWORD_FILE")
    if password_file:
        config["sasl.password"] = Path(password_file).read_text(encoding="utf-8").strip()
    return {
        "bootstrap_servers": found.get(f"{_KAFKA}BOOTSTRAP_SERVERS") or "127.0.0.1:9092",
        "topic": f"{found.get(f'{_KAFKA}TOPIC_PREFIX', '')}usage.events",
        "config": config,
    }


def advice_settings(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Whose runs a gateway asks about, and whether it refuses what is to stop: `org` and `refuses`.

    BURNLINE_ADVICE=log says that it only logs.
    """
    found = os.environ if environment is None else environment
    return {"org": found.get("BURNLINE_ORG", ""), "refuses": found.get("BURNLINE_ADVICE") != "log"}


def emitter_settings(environment: Mapping[str, str], *, program: str) -> dict[str, Any]:
    """The arguments of the UsageEmitter that this environment describes.

    Raises: InvalidUsageError: BURNLINE_ORG is not set, or a field cannot be used.
    """
    defaults = checked({field: environment.get(f"BURNLINE_{field.upper()}") or None for field in _FIELDS})
    if "org" not in defaults:
        raise InvalidUsageError("set BURNLINE_ORG to the organisation that pays, or give watch() an emitter")
    return {
        **kafka_from_environment(environment),
        "source": environment.get("BURNLINE_SOURCE") or program or "python",
        "defaults": defaults,
        "spool_dir": environment.get("BURNLINE_SPOOL_DIR") or None,
        "pepper": credential_pepper(environment),
    }


def fingerprint_key(environment: Mapping[str, str] | None = None) -> bytes | None:
    """The secret that BURNLINE_FINGERPRINT_KEY_FILE holds; None where it is not set.

    Raises: InvalidUsageError: the file has fewer than 16 bytes. OSError: it cannot be read.
    """
    path = (os.environ if environment is None else environment).get("BURNLINE_FINGERPRINT_KEY_FILE")
    if not path:
        return None
    key = Path(path).read_bytes().strip()
    if len(key) < 16:
        raise InvalidUsageError(f"{path}: a key for fingerprints has at least 16 bytes")
    return key


def credential_pepper(environment: Mapping[str, str] | None = None) -> Pepper | None:
    """The pepper that BURNLINE_CREDENTIAL_PEPPER_FILE holds; None where it is not set.

    Raises: InvalidUsageError: the file holds none. OSError: it cannot be read.
    """
    path = (os.environ if environment is None else environment).get("BURNLINE_CREDENTIAL_PEPPER_FILE")
    return read_pepper(path) if path else None


class SharedEmitter:
    """An emitter as the environment describes it, one per process: a child of a fork makes its own.

    Raises: InvalidUsageError: the environment does not describe one.
    """

    def __init__(self) -> None:
        self._settings = emitter_settings(os.environ, program=Path(sys.argv[0] or "python").stem)
        self._before_close: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._pid = 0
        self._emitter: UsageEmitter | None = None

    def before_close(self, act: Callable[[], None]) -> None:
        """`act` is called at the start of the emitter's `close`, in every process that has one."""
        self._before_close.append(act)
        if self._emitter is not None:
            self._emitter.before_close(act)

    def ready(self) -> None:
        """This process has its emitter; called where it may be made: not in the last moments of a process."""
        self._mine()

    def flush(self, timeout_sec: float = 30.0) -> int:
        """What this process emitted is acknowledged, or the time is over; returns how many events still wait."""
        return self._mine().flush(timeout_sec)

    def emit(self, **fields: Any) -> str:  # noqa: ANN401  UsageFields, id and time
        """The event is on its way to Kafka; returns its id. Raises: EmitterError: as `UsageEmitter.emit` does."""
        return self._mine().emit(**fields)

    def _mine(self) -> UsageEmitter:
        if self._emitter is None or self._pid != os.getpid():
            with self._lock:
                if self._emitter is None or self._pid != os.getpid():
                    self._emitter = UsageEmitter(**self._settings)
                    self._pid = os.getpid()
                    for act in self._before_close:
                        self._emitter.before_close(act)
        return self._emitter


_shared: list[SharedEmitter] = []


def shared_emitter() -> SharedEmitter:
    """The emitter that the environment described when it was first asked for.

    Raises: InvalidUsageError: it does not describe one.
    """
    if not _shared:
        _shared.append(SharedEmitter())
    return _shared[0]
