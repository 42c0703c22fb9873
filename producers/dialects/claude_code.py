"""Claude Code's session logs (`~/.claude/projects/*/*.jsonl`): one request per message, however often written. Pure.

A streamed answer is written as several rows (one per block of content) with the same message id and request id, with
usage that repeats or grows. They are one request: the last row counts, at the first one's time, and `revision` is how
many states were seen, so that a log that was read too early is put right by a later replay. Rows without a request id
(other providers behind Claude Code) are told apart by the message id alone.
Forked and resumed sessions copy rows into other files: they have the same id, and are skipped there as `repeated`.
Rows of the model `<synthetic>` are Claude Code's own error notes, no calls. Prompts, answers and tool output are never
read; of the working directory only its last name is (`project`).
Source: anthropics/claude-code#5034, ccusage/ccusage#985, getagentseal/codeburn#201 (last row, first time).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.anthropic import calls_of
from producers.dialects.bodies import Call
from producers.dialects.documents import documents
from producers.dialects.values import Json, known_fields, moment, name, usd_text, within
from schemas.errors import InvalidMessage, Reason

FILES = ("*.jsonl", "*.jsonl.gz")
_SYNTHETIC = "<synthetic>"
_NEEDLES = ('"usage"',)
_ABOUT = ("sessionId", "cwd", "version", "gitBranch", "agentId")
_ROW = (*_ABOUT, "isSidechain", "costUSD")
_MESSAGE = ("id", "type", "model", "usage", "stop_reason")


@dataclass(slots=True)
class _Request:
    """What the rows of one request said so far: what is read of the newest one, at the first one's place and time."""

    row: int
    time: datetime | None
    said: dict[str, Any]
    states: int = 1


def read(lines: Lines) -> Iterator[Row]:
    """One row per request, in the order of their first rows; what cannot be read is skipped."""
    requests: dict[tuple[str, str], _Request] = {}
    newest: dict[str, tuple[str, str]] = {}
    for found in documents(lines, needles=_NEEDLES):
        if isinstance(found, Skipped):
            yield found
            continue
        row, message = found.value, within(found.value, "message")
        if not isinstance(row, dict) or not isinstance(message, dict) or message.get("usage") is None:
            continue
        request = _Request(found.row, moment(row.get("timestamp")), _said(row, message))
        own = name(message.get("id"))
        if own is None:
            yield from _drafts(request, None, found.content)
            continue
        key = _key(own, name(row.get("requestId")), newest)
        _keep(requests, key, newest.get(own), request)
        newest[own] = key
    for (own, request_id), request in requests.items():
        yield from _drafts(request, f"{own}/{request_id}" if request_id else own, "")


def _said(row: Json, message: Json) -> dict[str, Any]:
    """All that is ever read of a row, so that nothing else is kept."""
    return {**{field: row.get(field) for field in _ROW}, "message": {field: message.get(field) for field in _MESSAGE}}


def _key(own: str, request_id: str | None, newest: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """The request of a row; one without a request id is of the newest request of its message."""
    return (own, request_id) if request_id is not None else newest.get(own, (own, ""))


def _keep(
    requests: dict[tuple[str, str], _Request], key: tuple[str, str], before: tuple[str, str] | None, new: _Request
) -> None:
    """The new row counts instead of the earlier ones of its request."""
    if before is not None and before != key and before[1] == "":
        requests[key] = requests.pop(before)  # its request id was not known yet
    old = requests.get(key)
    if old is None:
        requests[key] = new
        return
    if old.said != new.said:
        old.said = new.said
        old.states += 1
    old.time = old.time or new.time


def _calls(said: Json) -> list[Call]:
    message = said["message"]
    if message["model"] == _SYNTHETIC:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "message.model", "a note of Claude Code itself, no call")
    calls = calls_of(message)
    about, labels = _about(*(value if isinstance(value := said[field], str) else None for field in _ABOUT))
    for call in calls:
        call.data.update(about)
        if labels:
            call.data["tags"] = {**call.data.get("tags", {}), **labels}
    if said["isSidechain"] is True:
        calls[0].data["request_kind"] = "sidechain"
    cost = usd_text(said["costUSD"])
    if cost is not None:
        calls[0].data["reported_cost_usd"] = cost
    return calls


@lru_cache(maxsize=1000)
def _about(
    session: str | None, cwd: str | None, version: str | None, branch: str | None, subagent: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a session's rows say of each of its calls: (fields, tags); not to be changed."""
    known = name(version)
    about = known_fields(
        session=name(session),
        agent="claude-code",
        project=_last_name(cwd),
        user_agent=None if known is None else f"claude-code/{known}",
    )
    return about, known_fields(git_branch=name(branch), subagent=name(subagent))


def _drafts(request: _Request, own: str | None, content: str) -> Iterator[Row]:
    try:
        calls = _calls(request.said)
    except InvalidMessage as verdict:
        yield Skipped(request.row, verdict.reason, verdict.message)
        return
    for call in calls:
        call.data["revision"] = request.states
        own_id = None if own is None else f"{own}{call.part}"
        yield Draft(request.row, f"{content}{call.part}", request.time, call.data, None, own_id)


def _last_name(value: object) -> str | None:
    return name(value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]) if isinstance(value, str) else None


DIALECT = Dialect(
    name="claude-code", about="Claude Code's session logs", read=read, needs=("org",), files=FILES, once=True
)
