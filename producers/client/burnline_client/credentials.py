"""Ids of keys, so that no key leaves the process: under a pepper that has a version, or, without one, a plain hash.

Says again what `schemas/credentials.py` and `schemas/secrets.py` say; a contract test holds both.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from burnline_client.errors import InvalidUsageError

_LINE = re.compile(rb"(k[0-9]{1,4}):([\x21-\x7e]{16,})")
_SECRET = re.compile(
    rb"(?<![A-Za-z0-9_])(?:"
    rb"(?:sk|rk|pk|gsk|xai|hf|pplx)[-_][A-Za-z0-9_\-]{16,}"
    rb"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_\-]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    rb"|xox[abeoprs]-[A-Za-z0-9\-]{10,}|eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}"
    rb"|(?:Bearer|bearer|BEARER)\s+[A-Za-z0-9._~+/=\-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----)"
)


@dataclass(frozen=True)
class Pepper:
    """A secret under which ids of keys are made, and its name; never printed."""

    version: str
    secret: bytes = field(repr=False)


def read_pepper(path: str | Path) -> Pepper:
    """The pepper of a file of one line, `k1:SECRET`. Raises: InvalidUsageError: it holds none. OSError."""
    found = _LINE.fullmatch(Path(path).read_bytes().strip())
    if found is None:
        raise InvalidUsageError(f"{path} holds no pepper; write one line: k1: and at least 16 random characters")
    return Pepper(found[1].decode(), found[2])


def credential_id(key: bytes, pepper: Pepper) -> str:
    """The id of a key: HMAC-SHA256 under the pepper, cut to 128 bits, behind the pepper's version."""
    return f"{pepper.version}:{hmac.digest(pepper.secret, b'burnline credential:' + key, 'sha256').hex()[:32]}"


def without_key(credential: str, pepper: Pepper | None) -> str:
    """The credential's id: itself, or, where it is the key that it should stand for, an id of that."""
    raw = credential.encode(errors="replace")
    if _SECRET.search(raw) is None:
        return credential
    return f"secret-{blake2b(raw, digest_size=8).hexdigest()}" if pepper is None else credential_id(raw, pepper)
