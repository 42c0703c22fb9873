"""What people say of alerts: which alert is meant, and what stands in the policies. Pure but for `say_label`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from deploy.actors import is_verified
from deploy.policy_files.changes import Author, change_between
from deploy.policy_files.tables import sentence
from deploy.policy_log import in_force, read_log, send_change
from schemas.connection import KafkaSettings
from schemas.errors import InputError
from schemas.policies import AlertLabel


def label_of(
    asked: str, transitions: Iterable[Mapping[str, Any]], label: str, *, by: str, note: str | None
) -> AlertLabel:
    """The entry that labels the alert whose transitions these are; `asked` is how its id was written.

    Raises: InputError: no alert or several begin so, or what is said cannot be kept.
    """
    newest = {str(one["alert_id"]): one for one in transitions}
    if not newest:
        raise InputError(f"no alert has an id that begins with {asked!r}; `burnline alerts` shows ids")
    if len(newest) > 1:
        raise InputError(f"{len(newest)} alerts have ids that begin with {asked!r}; write more of it")
    [(alert_id, alert)] = newest.items()
    said = {"id": alert_id, "org": alert["org"], "label": label, "by": by, "note": note}
    try:
        return AlertLabel.model_validate(said)
    except ValidationError as error:
        raise InputError(sentence("alert_label", said, error.errors(include_url=False)[0])) from error


def say_label(kafka: KafkaSettings, said: AlertLabel, *, actor: str, now: datetime) -> int | None:
    """The policy offset from which on it stands; None where the same was said already.

    Raises: KafkaUnavailableError: Kafka did not answer. SettingsError: we may not write.
    """
    author = Author(actor=actor, at=now, files=(), verified=is_verified(actor, kafka))
    change = change_between(in_force(read_log(kafka)), (said,), (), author=author)
    return None if change is None else send_change(kafka, change)
