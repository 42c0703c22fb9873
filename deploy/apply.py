"""Bringing policy files into force: read as a whole, compared with what is in force, sent as one change, waited for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deploy.actors import is_verified
from deploy.policy_files import PolicyFile, read_policies
from deploy.policy_files.changes import Author, change_between, key_from
from deploy.policy_files.tables import Policies
from deploy.policy_log import in_force, read_log, send_change, wait_in_force
from schemas.connection import KafkaSettings
from schemas.errors import PolicyError
from schemas.policies import PolicyChange


@dataclass(frozen=True)
class Applied:
    """What became of it. `offset` is None where nothing was sent; `missing` names who has not applied it."""

    change: PolicyChange | None
    offset: int | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What is to be applied, by whom."""

    paths: Sequence[Path]
    removes: Sequence[str] = ()
    actor: str = "unknown"
    dry_run: bool = False
    org: str | None = None  # whose policies they are where the files do not say


def read_request(request: Request) -> Policies:
    """The policies of the request's files. Raises: PolicyError: a mistake in a file; the message names each."""
    return read_policies([load(path) for path in request.paths], org=request.org)


def apply_files(settings: KafkaSettings, request: Request, *, now: datetime, timeout_sec: float) -> Applied:
    """The files are in force, or it is said who has not applied them within `timeout_sec`.

    A dry run compares with what is in force and sends nothing.

    Raises: PolicyError: a mistake in a file; nothing was sent. KafkaUnavailableError: Kafka did not answer.
    """
    wanted = read_request(request)
    before = in_force(read_log(settings))
    removes = [key_from(text, before) for text in request.removes]
    names = tuple(path.name for path in request.paths)
    author = Author(request.actor, now, names, verified=is_verified(request.actor, settings))
    change = change_between(before, wanted, removes, author=author)
    if change is None or request.dry_run:
        return Applied(change, None)
    offset = send_change(settings, change)
    return Applied(change, offset, tuple(wait_in_force(settings, offset, timeout_sec=timeout_sec)))


def load(path: Path) -> PolicyFile:
    """The file as it is on disk. Raises: PolicyError: it cannot be read."""
    try:
        return PolicyFile(str(path), path.read_bytes())
    except OSError as error:
        raise PolicyError(f"cannot read {path}: {error.strerror}") from error
