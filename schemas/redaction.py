"""The bytes of a refused record without what may be a prompt, a completion or a secret. Pure.

Laws
1. Kept as they are: attributes of the envelope and fields of `data` that the contract knows, where their strings are
   no longer than the contract allows and look like no secret; where it allows no text (counts, states, units), one
   word. A record of nothing else keeps every byte.
2. Of everything else only the skeleton stays: brackets, names of fields that look like names, numbers that stand
   beside a name, true, false, null. Every other string becomes a `placeholder`, a number in a list 0 (token ids are
   text, too), what is no JSON a question mark. So it does not matter how long a prompt is, or whether the JSON around
   it is whole.
3. A placeholder says how many bytes it stands for and nothing else: a hash would let short texts be guessed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.outcomes import DECIMALS, NOT_TEXT
from schemas.secrets import holds_secret, without_secrets
from schemas.usage import MAX_EVENT_BYTES, UsageData, UsageEvent

PLACEHOLDER = re.compile(r"\[redacted(, \d+ bytes)?\]")
"""What stands for a value that was taken out; within a string that was kept, for a secret in it."""
_MAX_SCANNED_BYTES = 262_144
_KEPT_WHEN_CUT_BYTES = 65_536
_NAME_CHARS = 256
_TEXT_CHARS = 1024
_LONGEST_NUMBER = 32
_LIKE_A_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_TOKEN = re.compile(
    rb'(?P<string>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))|(?P<mark>[{}\[\]:,])'
    rb"|(?P<plain>true\b|false\b|null\b|-?[0-9][0-9.eE+\-]*)|(?P<space>[ \t\r\n]+)|(?P<other>[^\"{}\[\]:, \t\r\n]+)",
    re.DOTALL,
)
_ENVELOPE = frozenset(UsageEvent.model_fields) - {"data"}
_TEXT_FIELDS = frozenset({"user_agent", "subject", "partitionkey", "datacontenttype", "dataschema"})
_MAP_FIELDS = frozenset({"tags", "asserted", "units"})
USAGE_FIELDS = frozenset(UsageData.model_fields)
_OF_CHARGES = {"amount_usd", "kind", "quantity", "service_from", "service_until", "timezone", "unit_price_usd"}
_OF_OUTCOMES = {*DECIMALS, *NOT_TEXT, "finding_state", "outcome_type"}
_WORDS = (
    frozenset(name for name, field in UsageData.model_fields.items() if "str" not in str(field.annotation))
    | {"units", "reported_cost_usd"}
    | _OF_CHARGES
    | _OF_OUTCOMES
)
"""Fields whose values are no text: a string in one is a mistake, and of use where it is a number or one word."""
_ONE_WORD = re.compile(r"[A-Za-z0-9+.\-]\S{0,63}")
Allowed = Mapping[str, frozenset[str]]
"""Which fields the contract knows, by zone."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """Bytes that hold no text; `values` says how many were taken out, `cut` that bytes at the end are missing."""

    value: bytes
    values: int
    cut: bool


def redacted(raw: bytes, *, data_only: bool = False, fields: frozenset[str] = USAGE_FIELDS) -> Redacted:
    """The bytes of a record that may be kept; `data_only` where its attributes are headers (binary mode).

    `fields` are those of `data` that the contract of its topic knows.
    """
    zone, allowed = "data" if data_only else "envelope", {"envelope": _ENVELOPE, "data": fields}
    if len(raw) > _MAX_SCANNED_BYTES:
        scan = _Scan(zone, allowed)
        return Redacted(scan.run(raw[:_KEPT_WHEN_CUT_BYTES]), scan.taken_out, cut=True)
    if b"\\" not in raw and not holds_secret(raw) and _only_known(raw, zone, allowed):
        return Redacted(raw, 0, cut=False)
    scan = _Scan(zone, allowed)
    kept = scan.run(raw)
    return Redacted(kept[:MAX_EVENT_BYTES], scan.taken_out, cut=len(kept) > MAX_EVENT_BYTES)


def like_a_name(text: str) -> bool:
    """Whether a text looks like the name of a field or header, and so like no prompt."""
    return _LIKE_A_NAME.fullmatch(text.encode(errors="replace")) is not None


def placeholder(size_bytes: int) -> str:
    """What stands for a value of that many bytes."""
    return f"[redacted, {size_bytes} bytes]"


def _only_known(raw: bytes, zone: str, allowed: Allowed) -> bool:
    """Whether the whole record is JSON of fields that the contract knows, and no string is too long for its field."""
    try:
        found = json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and all(_known(name, value, zone, allowed) for name, value in found.items())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, if no name stands twice: of two values JSON readers keep one, and the bytes both."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _known(name: str, value: Any, zone: str, allowed: Allowed) -> bool:  # noqa: ANN401  anything may arrive
    if zone == "envelope" and name == "data":
        return isinstance(value, dict) and all(_known(inner, some, "data", allowed) for inner, some in value.items())
    if name not in allowed[zone]:
        return False
    if zone == "data" and name in _MAP_FIELDS and isinstance(value, dict):
        return all(len(key) <= _NAME_CHARS and _fits(some, name) for key, some in value.items())
    return _fits(value, name)


def _fits(value: object, name: str) -> bool:
    if isinstance(value, str):
        return _may_say(name, value)
    return value is None or isinstance(value, bool | int | float)


def _may_say(name: str, text: str) -> bool:
    """Whether a string may stand as the value of a field that the contract knows, or in a map of that name."""
    if name in _WORDS:
        return _ONE_WORD.fullmatch(text) is not None
    return len(text) <= (_TEXT_CHARS if name in _TEXT_FIELDS | _MAP_FIELDS else _NAME_CHARS)


class _Scan:
    """One pass over bytes that need not be JSON: in which zones (one for each open bracket), under which name.

    Zones: envelope, data, the name of a map that the contract knows (tags, units), foreign (anything else).
    """

    def __init__(self, zone: str, allowed: Allowed) -> None:
        self.taken_out = 0
        self._allowed = allowed
        self._root = zone
        self._zones: list[str] = []
        self._lists: list[bool] = []
        self._name = ""
        self._wants_name = False

    def run(self, raw: bytes) -> bytes:
        """The bytes without text (law 2)."""
        pieces: list[bytes] = []
        matches = list(_TOKEN.finditer(raw))
        for at, match in enumerate(matches):
            token, kind = match.group(), match.lastgroup
            if kind == "mark":
                self._mark(token)
                pieces.append(token)
            elif kind == "space":
                pieces.append(token if len(token) <= _LONGEST_NUMBER else b" ")
            elif kind == "string":
                names = self._wants_name and _next_mark(matches, at) == b":"
                pieces.append(self._key(token) if names else self._string(token))
            elif kind == "plain":
                pieces.append(self._plain(token))
            else:
                self.taken_out += 1
                pieces.append(b"?")
        return b"".join(pieces)

    def _mark(self, mark: bytes) -> None:
        if mark in b"{[":
            zone = self._zone_of_value() if mark == b"{" else "foreign"
            self._zones.append(zone)
            self._lists.append(mark == b"[")
            self._wants_name = mark == b"{"
        elif mark in b"}]":
            if self._zones:
                self._zones.pop()
                self._lists.pop()
            self._wants_name = False
        else:
            self._wants_name = mark == b"," and bool(self._lists) and not self._lists[-1]
        if mark != b":":
            self._name = ""  # a name holds for one value

    def _zone_of_value(self) -> str:
        """The zone of an object that opens here."""
        if not self._zones:
            return self._root
        here = self._zones[-1]
        if here == "envelope" and self._name == "data":
            return "data"
        named = here == "data" and self._name in _MAP_FIELDS & self._allowed["data"]
        return self._name if named else "foreign"

    def _key(self, token: bytes) -> bytes:
        inner = token[1:-1]
        here = self._zones[-1]
        if here in _MAP_FIELDS:
            if len(inner) <= _NAME_CHARS:
                self._name = here
                return self._clean(token)
        elif _LIKE_A_NAME.fullmatch(inner) and not holds_secret(inner):
            self._name = inner.decode()
            return token
        self._name = ""
        return self._take_out(token)

    def _string(self, token: bytes) -> bytes:
        inner = token[1:-1]
        here = self._zones[-1] if self._zones else "foreign"
        name, self._name = self._name, ""
        if not (name and here in _MAP_FIELDS) and name not in self._allowed.get(here, ()):
            return self._take_out(token)
        whole = token.endswith(b'"') and len(token) > 1
        # Escapes make a string look longer than it is, so what is measured is what it says.
        said = inner if b"\\" not in inner else _unescaped(token)
        return self._clean(token) if whole and _may_say(name, said.decode(errors="replace")) else self._take_out(token)

    def _plain(self, token: bytes) -> bytes:
        listed = not self._lists or self._lists[-1]
        if token[:1] not in b"-0123456789" or (not listed and len(token) <= _LONGEST_NUMBER):
            return token
        self.taken_out += 1
        return b"0" if listed else self._take_out(token)

    def _clean(self, token: bytes) -> bytes:
        clean, secrets = without_secrets(token)
        self.taken_out += secrets
        return clean

    def _take_out(self, token: bytes) -> bytes:
        self.taken_out += 1
        return f'"{placeholder(len(token))}"'.encode()


def _unescaped(token: bytes) -> bytes:
    try:
        return str(json.loads(token)).encode(errors="replace")
    except ValueError:
        return token


def _next_mark(matches: list[re.Match[bytes]], at: int) -> bytes:
    """The first token after `at` that is no space."""
    for match in matches[at + 1 : at + 3]:
        if match.lastgroup != "space":
            return match.group()
    return b""
