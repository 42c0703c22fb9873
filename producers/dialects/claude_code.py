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
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.anthropic import Message, calls_said
from producers.dialects.bodies import Call
from producers.dialects.documents import documents
from producers.dialects.values import known_fields, moment, name, usd_text
from schemas.errors import InvalidMessage, Reason

FILES = ("*.jsonl", "*.jsonl.gz")
_SYNTHETIC = "<synthetic>"
_NEEDLES = ('"usage"',)


class _About(msgspec.Struct, kw_only=True, rename="camel"):
    """What a row says beside its message."""

    session_id: Any = None
    cwd: Any = None
    version: Any = None
    git_branch: Any = None
    agent_id: Any = None
    is_sidechain: Any = None
    cost_usd: Any = msgspec.field(default=None, name="costUSD")


class _Row(_About, kw_only=True, rename="camel"):
    """All that is ever read of a row, so that nothing else is kept."""

    timestamp: Any = None
    request_id: Any = None
    message: Message | None = None


class _Request(msgspec.Struct):
    """What the rows of one request said so far: what is read of the newest one, at the first one's place and time."""

    row: int
    time: datetime | None
    said: _Row
    states: int = 1


def read(lines: Lines) -> Iterator[Row]:
    """One row per request, in the order of their first rows; what cannot be read is skipped."""
    requests: dict[tuple[str, str], _Request] = {}
    newest: dict[str, tuple[str, str]] = {}
    for found in documents(lines, needles=_NEEDLES, row_type=_Row):
        if isinstance(found, Skipped):
            yield found
            continue
        row = found.value if isinstance(found.value, _Row) else _row(found.value)
        if row.message is None or row.message.usage is None:
            continue
        request = _Request(found.row, moment(row.timestamp), row)
        own = name(row.message.id)
        if own is None:
            yield from _calls_of(request, None, found.content)
            continue
        key = _key(own, name(row.request_id), newest)
        _keep(requests, key, newest.get(own), request)
        newest[own] = key
    for (own, request_id), request in requests.items():
        yield from _calls_of(request, f"{own}/{request_id}" if request_id else own, "")


def _row(value: object) -> _Row:
    """The row that a value is; one without a message where it is none."""
    try:
        return msgspec.convert(value, _Row)
    except msgspec.ValidationError:
        return _Row()


def _said(row: _Row) -> tuple[object, ...]:
    """What tells two states of a request apart: all but time and place."""
    return (*(getattr(row, field) for field in _About.__struct_fields__), row.message)


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
    if _said(old.said) != _said(new.said):
        old.said = new.said
        old.states += 1
    old.time = old.time or new.time


def _calls(row: _Row, message: Message) -> list[Call]:
    if message.model == _SYNTHETIC:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "message.model", "a note of Claude Code itself, no call")
    calls = calls_said(message)
    try:
        about, labels = _about(row.session_id, row.cwd, row.version, row.git_branch, row.agent_id)
    except TypeError:  # a list or an object where a name should be: it cannot be looked up
        about, labels = _about.__wrapped__(row.session_id, row.cwd, row.version, row.git_branch, row.agent_id)
    for call in calls:
        call.data.update(about)
        if labels:
            call.data["tags"] = {**call.data.get("tags", {}), **labels}
    if row.is_sidechain is True:
        calls[0].data["request_kind"] = "sidechain"
    cost = None if row.cost_usd is None else usd_text(row.cost_usd)
    if cost is not None:
        calls[0].data["reported_cost_usd"] = cost
    return calls


@lru_cache(maxsize=1000)
def _about(
    session: object, cwd: object, version: object, branch: object, subagent: object
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


def _calls_of(request: _Request, own: str | None, content: str) -> list[Row]:
    """The calls of a request, or why it has none."""
    if request.said.message is None:
        return []
    try:
        calls = _calls(request.said, request.said.message)
    except InvalidMessage as verdict:
        return [Skipped(request.row, verdict.reason, verdict.message)]
    drafts: list[Row] = []
    for call in calls:
        call.data["revision"] = request.states
        own_id = None if own is None else own + call.part
        drafts.append(Draft(request.row, content + call.part, request.time, call.data, None, own_id))
    return drafts


def _last_name(value: object) -> str | None:
    return name(value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]) if isinstance(value, str) else None


DIALECT = Dialect(
    name="claude-code", about="Claude Code's session logs", read=read, needs=("org",), files=FILES, once=True
)
