"""A dead letter as the event that may be counted after all: the same id, the next revision. Pure.

Laws
1. The same letter gives the same bytes, so a second retry is a copy of the first and counts once.
2. The revision is one above the refused one: what was never counted is counted as new, whatever its revision.
3. Nothing that was redacted is ever counted: with a placeholder in a field of the contract there is no retry, and of
   fields that the contract does not know only numbers go along.
"""

import json
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas.errors import Reason
from schemas.keys import event_key
from schemas.redaction import PLACEHOLDER
from schemas.signals import DeadLetter
from schemas.usage import MAX_EVENT_BYTES, UsageData, UsageEvent

TOPIC = "usage.events"
_COUNTED: dict[Reason, str] = {
    Reason.CONFLICTING_DUPLICATE: "another call was counted under this id; send this one again under an id of its own",
    Reason.EVENT_TIME_MOVED: "this call was counted at another time; send the correction with the time of the first",
}


@dataclass(frozen=True, slots=True)
class Retry:
    """A record for `usage.events`, and the letter that it comes from."""

    letter_id: str
    key: bytes
    value: bytes
    source: str
    id: str
    revision: int


@dataclass(frozen=True, slots=True)
class NotRetried:
    """A letter that cannot be sent again, and why; a person has to mend what sent it."""

    letter_id: str
    why: str


def retry(letter: DeadLetter) -> Retry | NotRetried:
    """The event of a letter under its own id and the next revision, or why there is none."""
    event = _event_of(letter)
    if isinstance(event, str):
        return NotRetried(letter.dead_letter_id, event)
    data = event["data"]
    revision = data.get("revision", 1)
    data["revision"] = (revision if isinstance(revision, int) and revision >= 1 else 1) + 1
    value = json.dumps(event, separators=(",", ":")).encode()
    org, team, credential = (_text(data.get(name)) for name in ("org", "team", "credential"))
    key = event_key(org=org or "", team=team, credential=credential)
    return Retry(letter.dead_letter_id, key, value, str(event["source"]), str(event["id"]), data["revision"])


def newest(retries: Iterable[Retry]) -> list[Retry]:
    """Of several letters of one event only the highest revision, in the order in which the events first came."""
    found: dict[tuple[str, str], Retry] = {}
    for one in retries:
        held = found.get((one.source, one.id))
        if held is None or one.revision > held.revision:
            found[one.source, one.id] = one
    return list(found.values())


def _event_of(letter: DeadLetter) -> dict[str, Any] | str:
    """The event as it was sent, less what was taken out; or why there is none."""
    if letter.topic != TOPIC:
        return f"it was read from {letter.topic}; only events of {TOPIC} can be sent again"
    if letter.reason in _COUNTED:
        return _COUNTED[letter.reason]
    raw = b64decode(letter.value_base64)
    if letter.cut or letter.value_bytes > MAX_EVENT_BYTES:
        return f"its bytes were cut, {letter.value_bytes} were sent; send it again from where it came"
    event = _parsed(raw, letter.headers)
    if event is None:
        return "its bytes are no event; mend what sent it and send it again from there"
    missing = [name for name in ("source", "id", "time") if not isinstance(event.get(name), str)]
    if missing:
        return f"it has no {missing[0]}; mend what sent it and send it again from there"
    taken = next((name for name in _known_values(event) if _redacted(name[1])), None)
    if taken is not None:
        return f"{taken[0]} was redacted, it may hold text or a secret; send it again from where it came"
    known = {
        name: value
        for name, value in event["data"].items()
        if name in UsageData.model_fields or isinstance(value, int | float)
    }
    return {name: value for name, value in event.items() if name in UsageEvent.model_fields} | {"data": known}


def _parsed(raw: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
    """The event in structured or binary mode, as structured; None where the bytes are none."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if "ce_id" in headers:
        found = {name[3:]: value for name, value in headers.items() if name.startswith("ce_")} | {"data": found}
    return found if isinstance(found, dict) and isinstance(found.get("data"), dict) and _is_text(found) else None


def _is_text(found: object) -> bool:
    """Whether it is UTF-8: an escaped half of a character is JSON, and no text."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _known_values(event: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """What the contract knows, by its path."""
    yield from ((name, value) for name, value in event.items() if name in UsageEvent.model_fields and name != "data")
    yield from ((f"data.{name}", value) for name, value in event["data"].items() if name in UsageData.model_fields)


def _redacted(value: object) -> bool:
    """Whether something was taken out of a value, or of a name in it."""
    if isinstance(value, str):
        return PLACEHOLDER.search(value) is not None
    if isinstance(value, dict):
        return any(_redacted(name) or _redacted(some) for name, some in value.items())
    return isinstance(value, list) and any(_redacted(some) for some in value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
