"""Ids of keys: what stands for a key where nobody may see it, made under a pepper that has a version.

Laws
1. An id begins with the version of its pepper: `k1:` and 32 hex digits. Equal keys under one pepper have equal ids;
   without the pepper nobody can try keys, or guess them, against ids.
2. A pepper never appears in any text that we make: neither in errors nor in what prints a Pepper.
A rotation of the pepper gives every key a new id: `[[alias]]` says which was which (aliases.py).
"""

import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import SettingsError
from schemas.secrets import holds_secret, pseudonym

_LINE = re.compile(rb"(k[0-9]{1,4}):([\x21-\x7e]{16,})")
_HOW = "write one line like k1:... with at least 16 random characters after the colon: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class Pepper:
    """A secret under which ids of keys are made, and its name."""

    version: str
    secret: bytes = field(repr=False)


def read_pepper(path: Path) -> Pepper:
    """The pepper of a file of one line, `k1:SECRET`. Raises: SettingsError: it cannot be read, or holds none."""
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"cannot read the pepper {path}: {error.strerror}") from error
    found = _LINE.fullmatch(content)
    if found is None:
        raise SettingsError(f"{path} holds no pepper; {_HOW}")
    return Pepper(found[1].decode(), found[2])


def credential_id(key: str, pepper: Pepper) -> str:
    """The id of a key: HMAC-SHA256 under the pepper, cut to 128 bits, behind the pepper's version."""
    said = b"burnline credential:" + key.encode(errors="replace")
    return f"{pepper.version}:{hmac.digest(pepper.secret, said, 'sha256').hex()[:32]}"


def without_key(credential: str, pepper: Pepper | None) -> str:
    """The credential's id: itself, or, where it is the key that it should stand for, an id of that."""
    if pepper is None or not holds_secret(credential.encode(errors="replace")):
        return pseudonym(credential)
    return credential_id(credential, pepper)
