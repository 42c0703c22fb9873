"""Codex's session logs (`~/.codex/sessions/**/rollout-*.jsonl`): one request per change of the running total. Pure.

Every `token_count` says the usage of the last request and of the session so far. Codex writes it again when nothing was
called: a row whose running total is the one before is the same request. `cached_input_tokens` is SUBSET of the input,
`reasoning_output_tokens` of the output; a total that says otherwise is kept in the tag `total_tokens_reported`.
A forked session (and a subagent's) begins with a copy of its parent's rows under new times. So a request's id is made
of the root session and of all running totals up to it: copies have the same id, and are skipped as `repeated`.
Prompts, answers and tool output are never read; of the working directory only its last name is (`project`).
Also read: TraceLab's expanded view, where records stand over many lines between `===== record 0001 =====`.
Source: openai/codex (protocol TokenUsageInfo); ccusage/ccusage#897, #950 (forks and subagents copy history).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.documents import Document, documents
from producers.dialects.leaves import SUBSET, Part, Side, side_of
from producers.dialects.values import Json, count, known_fields, moment, name, within
from schemas.errors import InvalidMessage, Reason

FILES = ("*.jsonl", "*.jsonl.gz", "trace.json")
_NEEDLES = ('"token_count"', '"turn_context"', '"session_meta"')
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens")

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("input_tokens",),
    parts=(Part("input_cache_read_tokens", SUBSET, ("cached_input_tokens",)),),
)
OUTPUT = Side(
    total="output_tokens",
    rest="output_text_tokens",
    base=("output_tokens",),
    parts=(Part("output_reasoning_tokens", SUBSET, ("reasoning_output_tokens",)),),
)


def tokens(usage: Json) -> dict[str, int]:
    """Totals and leaves of a `last_token_usage`.

    Raises: InvalidMessage: a count is none, or a part is more than its whole.
    """
    return side_of(usage, INPUT) | side_of(usage, OUTPUT)


@dataclass
class _Session:
    """What the rows said so far of the session, its model and its requests."""

    root: str | None = None
    about: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    total: tuple[int | None, ...] | None = None
    requests: int = 0
    _chain: bytes = b""

    def begin(self, meta: Json) -> None:
        """A session begins; a copied parent's, which follows before any request, only says who the root is."""
        own, parent = name(meta.get("id")), name(meta.get("forked_from_id"))
        if self.requests == 0:
            self.root = parent or own or self.root
        if self.about:
            return
        origin, version = name(meta.get("originator")), name(meta.get("cli_version"))
        self.about = known_fields(
            session=own,
            agent="codex",
            provider=name(meta.get("model_provider")),
            project=_last_name(meta.get("cwd")),
            user_agent=f"{origin or 'codex'}/{version}" if version else origin,
        )

    def is_repeated(self, total: tuple[int | None, ...]) -> bool:
        """The running total is that of the row before, so the request is."""
        before, self.total = self.total, total
        return before == total

    def next_id(self, total: tuple[int | None, ...], last: Json) -> str | None:
        """The id of the request that led to this running total; None in a log that does not name its session."""
        self.requests += 1
        said = f"{total}{[last.get(field) for field in _COUNTS]}".encode("utf-8", "surrogatepass")
        self._chain = blake2b(said, key=self._chain, digest_size=16).digest()
        return None if self.root is None else f"{self.root}/{self._chain.hex()}"


def read(lines: Lines) -> Iterator[Row]:
    """One row per request."""
    session = _Session()
    plain = ("" if line.startswith(("#", "=====")) else line for line in lines)
    for found in documents(plain, needles=_NEEDLES):
        if isinstance(found, Skipped):
            yield found
            continue
        kind, payload = within(found.value, "type"), within(found.value, "payload")
        if not isinstance(payload, dict):
            continue
        if kind == "session_meta":
            session.begin(payload)
        elif kind == "turn_context":
            session.model = name(payload.get("model")) or session.model
        elif kind == "event_msg" and payload.get("type") == "token_count" and payload.get("info") is not None:
            try:
                draft = _draft(found, payload["info"], session)
            except InvalidMessage as verdict:
                yield Skipped(found.row, verdict.reason, verdict.message)
            else:
                yield from [draft] if draft is not None else []


def _draft(found: Document, info: object, session: _Session) -> Draft | None:
    last = within(info, "last_token_usage")
    if not isinstance(last, dict):
        raise InvalidMessage(Reason.MISSING_FIELD, "info.last_token_usage", "no last_token_usage")
    fields = tokens(last)
    running = within(info, "total_token_usage")
    total = tuple(count(running, key) for key in _COUNTS) if isinstance(running, dict) else (session.requests,)
    if session.is_repeated(total):
        return None
    if not fields:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "info.last_token_usage", "last_token_usage has no count")
    reported = count(last, "total_tokens")
    agrees = reported in (None, fields.get("input_tokens", 0) + fields.get("output_tokens", 0))
    data: dict[str, Any] = known_fields(
        **{"provider": "openai", **session.about},
        model=name(within(info, "model")) or session.model,
        operation="chat",
        status="ok",
        usage_source="reported",
        tags=None if agrees else {"total_tokens_reported": str(reported)},
    )
    own = session.next_id(total, last)
    content = found.content if own is None else ""
    return Draft(found.row, content, moment(within(found.value, "timestamp")), data | fields, None, own)


def _last_name(value: object) -> str | None:
    return name(value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]) if isinstance(value, str) else None


DIALECT = Dialect(name="codex", about="Codex's session logs", read=read, needs=("org",), files=FILES, once=True)
