"""Whether somebody is who he says: known by the login to Kafka, or by the account that owns the login's password."""

import os
import pwd
from pathlib import Path

from schemas.connection import KafkaSettings


def is_verified(actor: str, settings: KafkaSettings) -> bool:
    """Whether `actor` is more than a word: the user that the broker let in, or this machine's account behind him.

    The account counts where the login's password lies in a file of its own that nobody else may read: who can use it
    is that account. Without a login anybody may write, so nobody is verified.
    """
    if not settings.security_protocol.startswith("SASL") or settings.sasl_username is None:
        return False
    return actor in {settings.sasl_username, _account_behind(settings.sasl_password_file)}


def _account_behind(password_file: Path | None) -> str | None:
    """The account that alone may read the file, if it is ours; None where there is none."""
    try:
        found = password_file.stat() if password_file is not None else None
        if found is None or found.st_mode & 0o077 or found.st_uid != os.getuid():
            return None
        return pwd.getpwuid(found.st_uid).pw_name
    except (OSError, KeyError):  # KeyError: a user id without a name
        return None
