"""Who a bearer token is: the file that says so, read and written.

The file is TOML and holds no token, only SHA-256 hashes of tokens, which are 32 random bytes:

    [[token]]
    sha256 = "9f86d0..."
    org = "acme"              # of every event that comes with this token
    credential = "checkout"   # likewise; events may not say another
    team = "shop"             # likewise, if it stands here
    relay = true              # a gateway: its events name the credentials of those who called it

Laws
1. Who the token is wins over what an event says; what it says otherwise is kept in `asserted`.
2. A file that others than its owner can read or write is refused.
"""

import hashlib
import os
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from schemas.errors import SettingsError
from schemas.usage import Name

_PREFIX = "burnline_"


class Grant(BaseModel):
    """What a token may say of itself."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    org: Name
    credential: Name
    team: Name | None = None
    relay: bool = False


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    token: list[Grant] = []


def hashed(token: str) -> str:
    """The hash under which a token stands in the file."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def grants_of(text: str, *, where: str) -> dict[str, Grant]:
    """The grants of a file's text, by hash.

    Raises: SettingsError: it is no such file; the message names what is wrong.
    """
    try:
        grants = _File.model_validate(tomllib.loads(text)).token
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{where}: {place}: {first['msg']}") from None
    if len({grant.sha256 for grant in grants}) < len(grants):
        raise SettingsError(f"{where}: two entries have the same token; make another: burnline collector token")
    return {grant.sha256: grant for grant in grants}


def read_grants(path: Path) -> dict[str, Grant]:
    """The grants of a file, by hash.

    Raises: SettingsError: it is missing, open to others, or no such file; the message says what to do.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        how = "make one with: burnline collector token --org ORG --credential NAME"
        raise SettingsError(f"there is no file of tokens at {path}; {how}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path} is open to others than its owner; close it with: chmod 600 {path}")
    return grants_of(text, where=str(path))


def add_grant(path: Path, *, org: str, credential: str, team: str | None = None, relay: bool = False) -> str:
    """The file has one more token, which is returned: nobody can read it there again.

    Raises: SettingsError: the file cannot be used, or a name cannot.
    """
    token = _PREFIX + secrets.token_urlsafe(32)
    said: Mapping[str, str | bool | None] = {
        "sha256": hashed(token), "org": org, "credential": credential, "team": team, "relay": relay or None,
    }  # fmt: skip
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in said.items() if value is not None]
    entry = "\n".join(["[[token]]", *lines, ""])
    grants_of(entry, where="the new token")
    old = ""
    if path.exists():
        read_grants(path)
        old = path.read_text(encoding="utf-8").rstrip("\n") + "\n\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(old + entry)
    fresh.replace(path)
    return token


@dataclass
class GrantFile:
    """The grants of a file as it is now: what is added to it or removed counts within a second."""

    path: Path
    _grants: dict[str, Grant]
    _stamp: tuple[int, int]
    _looked_at: float = 0.0

    @classmethod
    def at(cls, path: Path) -> "GrantFile":
        """The file is read. Raises: SettingsError: it cannot be used."""
        return cls(path, read_grants(path), _stamp(path))

    def grant_of(self, token: str, *, now_sec: float) -> Grant | None:
        """Who this token is; None for nobody.

        Raises: SettingsError: the file has changed and cannot be used any more; then nobody is let in.
        """
        if now_sec - self._looked_at >= 1.0:
            stamp = _stamp(self.path)
            if stamp != self._stamp:
                self._grants = {}
                self._grants, self._stamp = read_grants(self.path), stamp
            self._looked_at = now_sec
        return self._grants.get(hashed(token))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)
