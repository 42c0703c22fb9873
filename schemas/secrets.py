"""What looks like a secret, wherever it stands: an identifier of a key is kept, the key itself never. Pure."""

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

_SECRETS: dict[bytes, re.Pattern[bytes]] = {
    **dict.fromkeys(
        [name + sign for name in (b"sk", b"rk", b"pk", b"gsk", b"xai", b"hf", b"pplx") for sign in (b"-", b"_")],
        re.compile(rb"[a-z]+[-_][A-Za-z0-9_\-]{16,}"),
    ),
    b"AKIA": re.compile(rb"AKIA[0-9A-Z]{16}"),
    b"AIza": re.compile(rb"AIza[0-9A-Za-z_\-]{30,}"),
    b"gh": re.compile(rb"gh[pousr]_[A-Za-z0-9]{30,}"),
    b"github_pat_": re.compile(rb"github_pat_[A-Za-z0-9_]{30,}"),
    b"xox": re.compile(rb"xox[abeoprs]-[A-Za-z0-9\-]{10,}"),
    b"eyJ": re.compile(rb"eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}(?:\.[A-Za-z0-9_\-]*)?"),
    **dict.fromkeys((b"Bearer", b"bearer", b"BEARER"), re.compile(rb"(?i:bearer)\s+[A-Za-z0-9._~+/=\-]{8,}")),
    b"-----BEGIN": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
"""How a secret begins, and what it then is: keys of providers and code hosts, JSON web tokens, bearer headers, private
keys. Looking for beginnings first is a hundred times as quick as one expression for all."""
SHORTEST = 15
"""Bytes of the shortest secret there is, `xoxb-` or `Bearer ` with what follows: most names and values are shorter."""
_WORD = re.compile(rb"[A-Za-z0-9_]")


def holds_secret(raw: bytes) -> bool:
    """Whether something in the bytes looks like a secret."""
    return any(True for _ in _secrets(raw))


def named_without_secrets(text: str) -> str:
    """A name or a header with anything in it that looks like a secret taken out."""
    return without_secrets(text.encode(errors="replace"))[0].decode(errors="replace")


def _secrets(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where secrets stand; those of one kind in order."""
    if len(raw) < SHORTEST:
        return
    for mark, shape in _SECRETS.items():
        at = raw.find(mark)
        while at >= 0:
            found = None if at and _WORD.match(raw, at - 1) else shape.match(raw, at)
            if found is not None:
                yield found.span()
            at = raw.find(mark, at + 1 if found is None else found.end())


def without_secrets(raw: bytes) -> tuple[bytes, int]:
    """(the bytes with each secret taken out, how many there were)."""
    pieces, end, count = [], 0, 0
    for start, stop in sorted(_secrets(raw)):
        if start >= end:
            pieces += [raw[end:start], b"[redacted]"]
            count += 1
        end = max(end, stop)
    return (b"".join([*pieces, raw[end:]]), count) if count else (raw, 0)


@lru_cache(maxsize=100_000)
def pseudonym(credential: str) -> str:
    """The credential's id: itself, or, where it is the secret that it should stand for, a name made of its hash.

    A key is long and random, so nobody finds it from its hash; two keys have two names.
    """
    raw = credential.encode(errors="replace")
    return f"secret-{blake2b(raw, digest_size=8).hexdigest()}" if holds_secret(raw) else credential
