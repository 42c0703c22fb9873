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
from typing import Any

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.anthropic import calls_of
from producers.dialects.bodies import Call
from producers.dialects.documents import Document, documents
from producers.dialects.values import Json, known_fields, moment, name, usd_text, within
from schemas.errors import InvalidMessage, Reason

FILES = ("*.jsonl", "*.jsonl.gz")
_SYNTHETIC = "<synthetic>"
_NEEDLES = ('"usage"',)


@dataclass(slots=True)
class _Request:
    """What the rows of one request said so far."""

    row: int
    time: datetime | None
    calls: list[Call]
    states: int = 1


def read(lines: Lines) -> Iterator[Row]:
    """One row per request, in the order of their first rows; what cannot be read is skipped where it stands."""
    requests: dict[tuple[str, str], _Request] = {}
    newest: dict[str, tuple[str, str]] = {}
    for found in documents(lines, needles=_NEEDLES):
        if isinstance(found, Skipped):
            yield found
            continue
        message = within(found.value, "message")
        if not isinstance(message, dict) or message.get("usage") is None:
            continue
        try:
            calls = _calls(found, message)
        except InvalidMessage as verdict:
            yield Skipped(found.row, verdict.reason, verdict.message)
            continue
        own = name(message.get("id"))
        time = moment(within(found.value, "timestamp"))
        if own is None:
            yield from _drafts(_Request(found.row, time, calls), None, found.content)
            continue
        key = _key(own, name(within(found.value, "requestId")), newest)
        _keep(requests, key, newest.get(own), _Request(found.row, time, calls))
        newest[own] = key
    for (own, request_id), request in requests.items():
        yield from _drafts(request, f"{own}/{request_id}" if request_id else own, "")


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
    if [call.data for call in old.calls] != [call.data for call in new.calls]:
        old.calls = new.calls
        old.states += 1
    old.time = old.time or new.time


def _calls(document: Document, message: Json) -> list[Call]:
    row = document.value if isinstance(document.value, dict) else {}
    if message.get("model") == _SYNTHETIC:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "message.model", "a note of Claude Code itself, no call")
    calls = calls_of(message)
    about = known_fields(
        session=name(row.get("sessionId")),
        agent="claude-code",
        project=_last_name(row.get("cwd")),
        user_agent=_agent(row.get("version")),
        tags=known_fields(git_branch=name(row.get("gitBranch")), subagent=name(row.get("agentId"))) or None,
    )
    for call in calls:
        tags = {**call.data.get("tags", {}), **about.get("tags", {})}
        call.data.update(about, **({"tags": tags} if tags else {}))
    if row.get("isSidechain") is True:
        calls[0].data["request_kind"] = "sidechain"
    cost = usd_text(row.get("costUSD"))
    if cost is not None:
        calls[0].data["reported_cost_usd"] = cost
    return calls


def _last_name(value: object) -> str | None:
    return name(value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]) if isinstance(value, str) else None


def _agent(version: object) -> str | None:
    known = name(version)
    return None if known is None else f"claude-code/{known}"


def _drafts(request: _Request, own: str | None, content: str) -> Iterator[Draft]:
    for call in request.calls:
        data: dict[str, Any] = {**call.data, "revision": request.states}
        own_id = None if own is None else f"{own}{call.part}"
        yield Draft(request.row, f"{content}{call.part}", request.time, data, None, own_id)


DIALECT = Dialect(
    name="claude-code", about="Claude Code's session logs", read=read, needs=("org",), files=FILES, once=True
)
