"""Taking alerts on: which alerts are meant, and what stands in the policies afterwards. Pure but for `acknowledge`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.actors import is_verified
from deploy.policy_files.changes import Author, change_between
from deploy.policy_log import in_force, read_log, send_change
from schemas.connection import KafkaSettings
from schemas.errors import InputError
from schemas.policies import Acknowledgement


@dataclass(frozen=True, slots=True)
class By:
    """Who takes an alert on, and what they say to it."""

    name: str
    note: str | None = None


def acknowledgement_of(asked: str, transitions: Iterable[Mapping[str, Any]], by: By) -> Acknowledgement:
    """The entry that acknowledges the alert whose transitions these are, in order; `asked` is how its id was written.

    It names the newest transition that said that the alert fires, so that a page can be taken on by whoever had taken
    on the ticket before it.

    Raises: InputError: no alert or several begin so, or it is over.
    """
    every = list(transitions)
    newest = {str(one["alert_id"]): one for one in every}
    if not newest:
        raise InputError(f"no alert has an id that begins with {asked!r}; `burnline alerts` shows ids")
    if len(newest) > 1:
        raise InputError(f"{len(newest)} alerts have ids that begin with {asked!r}; write more of it")
    [(alert_id, alert)] = newest.items()
    if alert["status"] == "resolved":
        raise InputError(f"alert {alert_id} is resolved already; there is nothing to take on")
    seq = max((int(one["seq"]) for one in every if one["status"] == "firing"), default=None)
    return Acknowledgement(id=alert_id, org=alert["org"], by=by.name, note=by.note, seq=seq)


def acknowledge(kafka: KafkaSettings, found: Sequence[Acknowledgement], *, actor: str, now: datetime) -> int | None:
    """The policy offset under which they are taken on; None where all of them were, by the same people.

    Raises: KafkaUnavailableError: Kafka did not answer. SettingsError: we may not write.
    """
    author = Author(actor=actor, at=now, files=(), verified=is_verified(actor, kafka))
    change = change_between(in_force(read_log(kafka)), tuple(found), (), author=author)
    return None if change is None else send_change(kafka, change)
