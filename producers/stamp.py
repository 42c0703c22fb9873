"""From a draft to the event that is sent: fields that the user set, shifted time, a stable identity. Pure.

Laws
1. The same line in the same row with the same `--set` and shift has the same bytes, on every machine, for ever.
2. Rows, `--set` and shifts that differ have ids that differ; so a replay under another shift is another import.
3. An event that has an id of its own keeps it where nothing is set and time is not moved; otherwise the id gets a
   suffix that is made from `--set` and shift, so that equal ids stay equal and meet no event of another replay.
4. What is returned passes the contract, and holds nothing that looks like a secret (`schemas/secrets.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import ValidationError

from producers.dialect import Draft
from producers.shift import shift_text
from schemas.errors import InputError, InvalidMessage, Reason
from schemas.keys import event_key
from schemas.secrets import holds_secret, without_secrets
from schemas.signals import rfc3339
from schemas.usage import USAGE_TYPE, UsageData
from schemas.usage_codec import decode

_PROBE = {"org": "o", "provider": "p", "model": "m"}


@dataclass(frozen=True, slots=True)
class Event:
    """A record of `usage.events`: `value` is the CloudEvent, `time` its event time after the shift."""

    row: int
    key: bytes
    value: bytes
    time: datetime
    source: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Stamping:
    """What a replay does to every row of a format."""

    format: str
    sets: Mapping[str, str]
    shift: timedelta
    import_id: str

    def salt(self) -> bytes:
        """16 bytes that stand for format, `--set` and shift."""
        said = [self.format, sorted(self.sets.items()), shift_text(self.shift)]
        return blake2b(msgspec.json.encode(said), digest_size=16).digest()


def import_id(format_name: str, content_digests: Iterable[bytes], sets: Mapping[str, str], shift: timedelta) -> str:
    """The name of a replay: equal for equal format, content of files (in any order), `--set` and shift."""
    said = [format_name, sorted(digest.hex() for digest in content_digests), sorted(sets.items()), shift_text(shift)]
    return f"import-{blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()}"


def parse_sets(texts: Iterable[str], *, check: Callable[[str, str], None] | None = None) -> dict[str, str]:
    """Fields by name from `team=code` texts; `tags.repo=web` sets a tag, `time` is that of rows which say none.

    `check` raises where a field cannot be set so; without it they are fields of usage events.
    Raises: InputError: a text has no `=`, names no field that holds text, or the value breaks the field's bounds.
    """
    sets: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--set {text!r}: write FIELD=VALUE, like team=code")
        (check or _check_set)(name, value)
        sets[name] = value
    return sets


def _check_set(name: str, value: str) -> None:
    if name == "import_id":
        raise InputError("--set import_id: every replay makes its own")
    if name == "time":
        if default_time({name: value}) is None:
            raise InputError(f"--set time={value}: write RFC 3339 with an offset, like 2026-11-22T09:00:00Z")
        return
    field, dot, tag = name.partition(".")
    tagged = field == "tags" and dot == "."
    if not tagged and name not in UsageData.model_fields:
        raise InputError(f"--set {name}={value}: no such field; labels of your own go to tags.NAME")
    try:
        UsageData.model_validate({**_PROBE, **({"tags": {tag: value}} if tagged else {name: value})})
    except ValidationError as error:
        raise InputError(f"--set {name}={value}: {error.errors(include_url=False)[0]['msg']}") from None


def default_time(sets: Mapping[str, str]) -> datetime | None:
    """The time of rows that say none: what `--set time=...` says, None where it is not set."""
    try:
        at = datetime.fromisoformat(sets.get("time", ""))
        return None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def check_needs(needs: Iterable[str], sets: Mapping[str, str], *, format_name: str) -> None:
    """Every field that the format cannot know is set.

    Raises: InputError: one is not; the message shows what to add.
    """
    missing = [name for name in needs if name not in sets]
    if missing:
        example = {"org": "acme", "provider": "openai", "model": "gpt-4o"}
        flags = " ".join(f"{name}={example.get(name, name.upper())}" for name in missing)
        raise InputError(f"format {format_name} does not say {', '.join(missing)}; add: --set {flags}")


def stamp(draft: Draft, stamping: Stamping, *, salt: bytes) -> Event:
    """The event of a draft; `salt` is the stamping's, made once.

    Raises: InvalidMessage: Burnline would refuse it, for its reason.
    """
    time = draft.time or default_time(stamping.sets)
    if time is None:
        said = "the row says no time; say it for all such rows with --set time=2026-11-22T09:00:00Z"
        raise InvalidMessage(Reason.MISSING_FIELD, "time", said)
    try:
        at = time + stamping.shift
    except OverflowError:
        raise InvalidMessage(Reason.OUT_OF_RANGE, "time", "the shift moves it out of the calendar") from None
    source = draft.source if draft.source is not None else f"replay/{stamping.format}"
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": USAGE_TYPE,
        "source": source,
        "id": identity_of(draft, stamping, salt),
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "data": _set_fields(draft.data, stamping),
    }
    if draft.subject is not None:
        event["subject"] = draft.subject
    event, value = sealed(event)
    data = decode(value).data
    key = event_key(org=data.org, team=data.team, credential=data.credential)
    return Event(draft.row, key, value, at, event["source"], event["id"])


def sealed(event: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The event as it is sent, and its JSON: no name in it holds a secret. Raises: InvalidMessage: it is no text."""
    try:
        value = msgspec.json.encode(event)
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidMessage(Reason.INVALID_UTF8, "", str(error)) from None
    if not holds_secret(value):
        return event, value
    clean = _cleaned(event)
    return clean, msgspec.json.encode(clean)


def _cleaned(event: dict[str, Any]) -> dict[str, Any]:
    """The event with every secret taken out of its names; ids that held one are told apart by a hash."""
    clean: dict[str, Any] = msgspec.json.decode(without_secrets(msgspec.json.encode(event))[0])
    for name in ("source", "id"):
        if clean[name] != event[name]:
            clean[name] = blake2b(event[name].encode(), digest_size=16).hexdigest()
    return clean


def identity_of(draft: Draft, stamping: Stamping, salt: bytes) -> str:
    """The id of a draft (laws 2 and 3)."""
    if draft.id is None:
        said = f"{draft.row}\n{draft.content}".encode("utf-8", "surrogateescape")
        return blake2b(said, key=salt, digest_size=16).hexdigest()
    if not stamping.sets and not stamping.shift:
        return draft.id
    marked = f"{draft.id}~{salt.hex()[:12]}"
    said = draft.id.encode("utf-8", "surrogatepass")
    return marked if len(marked) <= 256 else blake2b(said, key=salt, digest_size=16).hexdigest()


def _set_fields(data: Mapping[str, Any], stamping: Stamping) -> dict[str, Any]:
    fields = {**data, "import_id": stamping.import_id}
    tags = {name.removeprefix("tags."): value for name, value in stamping.sets.items() if name.startswith("tags.")}
    fields |= {name: value for name, value in stamping.sets.items() if name != "time" and not name.startswith("tags.")}
    if tags:
        old = fields.get("tags")
        fields["tags"] = {**(old if isinstance(old, dict) else {}), **tags}
    return fields
