"""Response bodies of providers: one JSON object per call, bare, in an envelope, or as the pieces of a stream. Pure.

Laws
1. An envelope (`response`, `body`, `result`, OpenAI's and Anthropic's batch results) adds its time, never its counts.
2. Pieces of one stream are one call: of documents in a row with the same id the last counts, at the first one's time.
3. Only usage, names, times and states are read; no content of a message ever is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.documents import Document, documents
from producers.dialects.values import Json, first_moment, within
from schemas.errors import InvalidMessage, Reason

FILES = ("*.json", "*.jsonl", "*.ndjson", "*.json.gz", "*.jsonl.gz", "*.ndjson.gz")
_TIMES = ("time", "timestamp")
_USAGE = ("usage", "usageMetadata", "usage_metadata")
_MAX_ENVELOPES = 4


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call that a body tells of. `part` names it where the body tells of several."""

    data: dict[str, Any]
    id: str | None = None
    time: datetime | None = None
    part: str = ""


class Calls(Protocol):
    """What reads the bodies of one file, in their order; keeps what a stream needs."""

    def take(self, body: Json) -> list[Call]:
        """The calls that are known with this body. Raises: InvalidMessage: it is none of this dialect."""

    def end(self) -> list[Call]:
        """The calls that the file left open."""


@dataclass
class Stateless:
    """Calls of a dialect whose bodies need nothing but themselves."""

    calls_of: Callable[[Json], list[Call]]

    def take(self, body: Json) -> list[Call]:
        """The calls of the body."""
        return self.calls_of(body)

    def end(self) -> list[Call]:
        """None: nothing is ever left open."""
        return []


def body_dialect(name: str, about: str, start: Callable[[], Calls]) -> Dialect:
    """A dialect of bodies; `start` gives what reads one file."""
    return Dialect(name=name, about=about, read=lambda lines: read(lines, start()), needs=("org",), files=FILES)


def read(lines: Lines, calls: Calls) -> Iterator[Row]:
    """The calls of every body, as drafts; a body that is none of the dialect is skipped with the reason."""
    held: dict[str, Draft] = {}
    document: Document | None = None
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield from held.values()
            held = {}
            yield found
            continue
        document = found
        verdict: Skipped | None = None
        drafts: list[Draft] = []
        try:
            drafts = _drafts(document, calls)
        except InvalidMessage as no:
            verdict = Skipped(document.row, no.reason, no.message)
        if verdict is not None or any(draft.id is None or draft.id not in held for draft in drafts):
            yield from held.values()
            held = {}
        if verdict is not None:
            yield verdict
        for draft in drafts:
            if draft.id is None:
                yield draft
            else:
                first = held.get(draft.id)
                held[draft.id] = draft if first is None else _continued(first, draft)
    yield from held.values()
    if document is not None:
        yield from (_draft(document, call, None) for call in calls.end())


def _drafts(document: Document, calls: Calls) -> list[Draft]:
    if not isinstance(document.value, dict):
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", "no JSON object")
    body, time, in_batch = open_envelope(document.value)
    found = [_draft(document, call, time) for call in calls.take(body)]
    for draft in found:
        if in_batch:
            draft.data["service_tier"] = "batch"
    return found


def _continued(first: Draft, draft: Draft) -> Draft:
    """A stream's newest piece at its first one's place and time."""
    return msgspec.structs.replace(draft, row=first.row, time=first.time or draft.time)


def _draft(document: Document, call: Call, time: datetime | None) -> Draft:
    own = None if call.id is None else f"{call.id}{call.part}"
    content = f"{document.content}{call.part}" if own is None else ""
    return Draft(document.row, content, call.time or time, call.data, None, own)


def open_envelope(value: dict[str, Any]) -> tuple[dict[str, Any], datetime | None, bool]:
    """The body inside its envelopes, the time that they say, and whether they are those of a batch."""
    time, in_batch = first_moment(value, _TIMES), False
    for _ in range(_MAX_ENVELOPES):
        if any(isinstance(value.get(name), dict) for name in _USAGE):
            break
        inner = next(
            (value[name] for name in ("response", "body", "result") if isinstance(value.get(name), dict)), None
        )
        if inner is None and "custom_id" not in value and value.get("type") == "succeeded":
            inner = within(value, "message")
        if not isinstance(inner, dict):
            break
        in_batch = in_batch or "custom_id" in value
        value, time = inner, time or first_moment(inner, _TIMES)
    return value, time, in_batch
