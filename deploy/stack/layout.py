"""What lies where in a state directory, and that it is ours and nobody else's to read."""

import os
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import SettingsError

RECORD = "stack.json"
_PROBE = ".write-probe"
_UNUSABLE = set("?&#%,;")
"""Characters that ClickHouse's engine, Kafka or the supervisor cannot have in a path."""


@dataclass(frozen=True)
class Layout:
    """The paths of one state directory; `root` is absolute."""

    root: Path

    @property
    def record(self) -> Path:
        """What this stack is: ports, own parts, id. Its presence marks a state directory as ours."""
        return self.root / RECORD

    @property
    def lock(self) -> Path:
        """Held by the command that starts or stops the stack."""
        return self.root / "lock"

    @property
    def logs(self) -> Path:
        """One log per process, turned over by the supervisor."""
        return self.root / "logs"

    @property
    def supervisor_config(self) -> Path:
        """Written anew at each start."""
        return self.root / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        """The supervisor's process id while it runs, and after it was killed."""
        return self.root / "supervisord.pid"

    @property
    def kafka(self) -> Path:
        """Kafka's log directories and configuration."""
        return self.root / "kafka"

    @property
    def clickhouse(self) -> Path:
        """The tables of the embedded ClickHouse."""
        return self.root / "clickhouse"

    @property
    def writer_password(self) -> Path:
        """The password of ClickHouse's user `writer`."""
        return self.root / "secrets" / "clickhouse-writer"

    @property
    def analyst_password(self) -> Path:
        """The password of ClickHouse's user `analyst`, who may only read."""
        return self.root / "secrets" / "clickhouse-analyst"

    @property
    def collector_tokens(self) -> Path:
        """Who may send to the collector: hashes of tokens."""
        return self.root / "secrets" / "collector-tokens.toml"

    @property
    def route_secrets(self) -> Path:
        """A file for each secret that a route of the policies names."""
        return self.root / "route-secrets"

    @property
    def prometheus_targets(self) -> Path:
        """Where Prometheus finds the pages of numbers; written anew at each start."""
        return self.root / "prometheus.json"

    def kafka_password(self, user: str) -> Path:
        """The password of a user of the stack's own Kafka."""
        return self.root / "secrets" / f"kafka-{user}"

    def log(self, program: str) -> Path:
        """The log of one process."""
        return self.logs / f"{program}.log"


def layout_at(state_dir: Path) -> Layout:
    """The layout of a state directory, which need not exist."""
    return Layout(Path(os.path.abspath(state_dir)))  # noqa: PTH100  resolve() would follow links that users see as names


def claim(layout: Layout) -> None:
    """The directory exists, is ours, is empty or a state directory, can be written, and has mode 0700.

    Its path has none of the characters that a part of the stack cannot have in a path.

    Raises: SettingsError: one of these cannot be had; nothing was changed then.
    """
    root = layout.root
    wrong = next((c for c in str(root) if c in _UNUSABLE or not c.isprintable()), None)
    if wrong is not None:
        raise SettingsError(f"the state directory {root} has {wrong!r} in its path; choose another with --state-dir")
    try:
        _refuse_foreign(layout)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        probe = root / _PROBE
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(root) else ""
        raise SettingsError(
            f"the state directory {root} cannot be used: {error.strerror or error}{where}; "
            "choose one that you may write to with --state-dir"
        ) from error


def furnish(layout: Layout) -> None:
    """Every directory of a claimed state directory exists, with mode 0700."""
    secrets = (layout.writer_password.parent, layout.route_secrets)
    for directory in (layout.logs, layout.kafka, layout.clickhouse, *secrets):
        directory.mkdir(mode=0o700, exist_ok=True)


def _refuse_foreign(layout: Layout) -> None:
    root = layout.root
    if not root.exists():
        return
    if not root.is_dir():
        raise SettingsError(f"{root} is a file; choose a directory with --state-dir")
    if layout.record.exists():
        return
    ours = {layout.lock.name, _PROBE}
    entries = [entry for entry in sorted(root.iterdir()) if entry.name not in ours]
    foreign = [entry.name for entry in entries if not (entry / RECORD).exists()]
    if foreign:
        raise SettingsError(
            f"{root} is not empty and holds no Burnline state (it has {foreign[0]!r}); "
            "choose an empty or new directory with --state-dir"
        )
