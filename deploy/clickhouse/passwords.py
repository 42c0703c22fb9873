"""Who is asking: two users, `writer` and `analyst`; `default` is another name of `analyst`.

1. The writer exists only if a password file names his password.
2. Without an analyst password file, analysts need no password; this is allowed on loopback only.
"""

import hmac
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from schemas.connection import read_secret
from schemas.errors import SettingsError


class Role(StrEnum):
    """What a user may do: `WRITER` anything within the engine, `ANALYST` read views."""

    WRITER = "writer"
    ANALYST = "analyst"


ROLE_OF_USER = {"writer": Role.WRITER, "analyst": Role.ANALYST, "default": Role.ANALYST, "": Role.ANALYST}


@dataclass(frozen=True)
class Accounts:
    """The passwords of both roles; None as the writer's shuts him out, None as the analyst's lets anybody read."""

    writer: str | None
    analyst: str | None

    def authenticate(self, user: str, password: str) -> Role | None:
        """The role of this user, or None where name or password is wrong; takes the same time for any password."""
        role = ROLE_OF_USER.get(user)
        wanted = self.writer if role is Role.WRITER else self.analyst
        if role is Role.ANALYST and wanted is None:
            return role
        same = hmac.compare_digest((wanted or "").encode(), password.encode("utf-8", "surrogateescape"))
        return role if same and wanted and role else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_accounts(*, writer_file: Path | None, analyst_file: Path | None, host: str) -> Accounts:
    """The accounts of these password files.

    Raises: SettingsError: a file cannot be read, is empty or is open to others, or the host is not loopback and a
        password is missing.
    """
    if not is_loopback(host) and (writer_file is None or analyst_file is None):
        message = f"--host {host} is reachable from other machines: give --writer-password-file and"
        raise SettingsError(f"{message} --analyst-password-file, or bind to 127.0.0.1")
    return Accounts(
        writer=_password(writer_file, setting="--writer-password-file"),
        analyst=_password(analyst_file, setting="--analyst-password-file"),
    )


def _password(path: Path | None, *, setting: str) -> str | None:
    secret = read_secret(path, setting=setting)
    if path is None or secret is None:
        return None
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{setting}: others may read {path}; run chmod 600 {path}")
    if not secret:
        raise SettingsError(f"{setting}: {path} is empty")
    return secret
