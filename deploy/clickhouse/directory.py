"""The door to the data directory: private, free of strangers' configuration, honest about why it cannot be used."""

import fcntl
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import BurnlineError, CorruptStateError, SettingsError

_REASON = re.compile(r"DB::Exception: (.*)")
_UNUSABLE = frozenset("?&#%\n")  # the engine takes a path as a URL


@dataclass(frozen=True)
class Directory:
    """A private data directory and the places in it that are ours."""

    path: Path

    @property
    def run(self) -> Path:
        """The working directory: nothing but our own configuration lies there."""
        return self.path / "burnline"

    @property
    def config_file(self) -> Path:
        """The engine's main configuration; not called config.xml, which the engine would read on its own."""
        return self.run / "engine.xml"

    @property
    def users_file(self) -> Path:
        """The engine's users."""
        return self.run / "users.xml"

    @property
    def backups(self) -> Path:
        """The only place that BACKUP may write to."""
        return self.path / "backups"


def prepare(path: Path) -> Directory:
    """The directory exists with mode 0700, is writable, and is this process's working and home directory.

    Raises: SettingsError: it cannot be made or written.
    """
    if _UNUSABLE & set(str(path)):
        raise SettingsError(f"--path {path}: the engine cannot open a path with one of ? & # % in it")
    directory = Directory(path)
    os.umask(0o077)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        directory.run.mkdir(exist_ok=True)
        directory.backups.mkdir(exist_ok=True)
        os.chdir(directory.run)
        probe = directory.run / "writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise SettingsError(f"--path {path}: cannot write there: {error.strerror}") from error
    os.environ["HOME"] = str(directory.run)
    return directory


def owner_pid(path: Path) -> int | None:
    """The process that has the directory open, 0 where its number is not written down, None where nobody has."""
    try:
        with (path / "status").open("r+") as status:
            try:
                fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                match = re.search(r"PID: (\d+)", status.read())
                return int(match[1]) if match else 0
    except OSError:
        return None
    return None


def why_not_opened(path: Path, engine_said: str) -> BurnlineError:
    """The error that says in a sentence why the engine did not open the directory."""
    owner = owner_pid(path)
    if owner is not None:
        who = f"process {owner}" if owner else "another process"
        return SettingsError(f"--path {path}: {who} has it open; one process owns a ClickHouse directory")
    reasons = [reason for reason in _REASON.findall(engine_said) if "Error initializing" not in reason]
    reason = reasons[0].strip() if reasons else engine_said.strip().splitlines()[-1]
    message = (
        f"--path {path}: the engine cannot load it: {reason}; a broken table's definition lies under {path}/metadata"
    )
    return CorruptStateError(message)


@contextmanager
def captured_stderr() -> Iterator[Callable[[], list[str]]]:
    """What C++ code prints to standard error within the block is kept, not shown; call the value to read it.

    The engine tells why it does not start only there. No other thread may run within the block.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile("w+", errors="replace") as kept:

        def lines() -> list[str]:
            kept.seek(0)
            return kept.readlines()

        os.dup2(kept.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(before, 2)
            os.close(before)
