"""Anthropic's messages: bodies, batch results, and streams of events. Pure.

`input_tokens` is what no cache touched; cache reads and writes are ADDITIVE to it. Thinking is SUBSET of
`output_tokens`. The usage of a stream is cumulative: the last one counts, not the sum; a stream that ends without its
last usage is `estimated`. Iterations that are no message (compaction, an advisor's answer) are not in the totals: each
is a call of its own, of its own model.
Source: anthropic's Usage and BetaUsage; OTel's page on Anthropic ("MUST add").
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from producers.dialects.bodies import Call, body_dialect
from producers.dialects.leaves import ADDITIVE, SUBSET, Part, Side, side_of
from producers.dialects.values import (
    NAME_LENGTH,
    Json,
    count,
    first_moment,
    known_fields,
    name,
    unknown_keys,
    within,
)
from schemas.errors import InvalidMessage, Reason

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("input_tokens",),
    parts=(
        Part("input_cache_read_tokens", ADDITIVE, ("cache_read_input_tokens",)),
        Part(
            "input_cache_write_other_tokens",
            ADDITIVE,
            ("cache_creation_input_tokens",),
            of_which=(
                ("input_cache_write_5m_tokens", "cache_creation.ephemeral_5m_input_tokens"),
                ("input_cache_write_1h_tokens", "cache_creation.ephemeral_1h_input_tokens"),
            ),
        ),
    ),
)
OUTPUT = Side(
    total="output_tokens",
    rest="output_text_tokens",
    base=("output_tokens",),
    parts=(Part("output_reasoning_tokens", SUBSET, ("output_tokens_details.thinking_tokens",)),),
)
_KNOWN = frozenset({
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
    "output_tokens_details", "server_tool_use", "service_tier", "speed", "inference_geo", "iterations", "type",
    "model",
})  # fmt: skip
_PLAIN = _KNOWN - {"server_tool_use"}
"""Fields of which neither units nor tags are made."""
_UNITS = {"web_search_requests": "web_searches", "web_fetch_requests": "web_fetches"}
_ITERATION_OF_THE_CALL = "message"


def tokens(usage: Json) -> dict[str, int]:
    """Totals and leaves of a usage object.

    Raises: InvalidMessage: a count is none, or a cache's parts are more than the whole.
    """
    if "prompt_tokens" in usage or "total_tokens" in usage:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usage", "usage counts as OpenAI does; replay it as openai")
    split = usage.get("cache_creation")
    if usage.get("cache_creation_input_tokens") is None and isinstance(split, dict):
        parts = [count(split, key) for key in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")]
        usage = {**usage, "cache_creation_input_tokens": sum(part or 0 for part in parts)}
    return side_of(usage, INPUT) | side_of(usage, OUTPUT)


class Message(msgspec.Struct):
    """All that is read of a message."""

    id: Any = None
    type: Any = None
    model: Any = None
    usage: Any = None
    stop_reason: Any = None


def calls_of(message: Json) -> list[Call]:
    """The calls of a message: itself, and iterations that its totals leave out.

    Raises: InvalidMessage: it is no such message, or its counts do not agree.
    """
    return calls_said(msgspec.convert(message, Message), first_moment(message, ("created_at",)))


def calls_said(message: Message, time: datetime | None = None) -> list[Call]:
    """The calls of what is read of a message, at this time.

    Raises: InvalidMessage: it is no such message, or its counts do not agree.
    """
    usage = message.usage
    if not isinstance(usage, dict) and not (usage is None and message.type == "message"):
        raise InvalidMessage(Reason.MISSING_FIELD, "usage", "no usage object, and no message of Anthropic's")
    used: dict[str, Any] = usage if isinstance(usage, dict) else {}
    fields = tokens(used)
    if used and not fields:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usage", "the usage object has no count of Anthropic's shape")
    own_id, model = name(message.id), name(message.model)
    data: dict[str, Any] = {"provider": "anthropic", "model": model, "operation": "chat", "operation_id": own_id}
    if model is None or own_id is None:
        data = known_fields(**data)
    tier, speed, place = used.get("service_tier"), used.get("speed"), used.get("inference_geo")
    data |= _result(_text(tier), _text(speed), _text(place), _text(message.stop_reason))
    data["usage_source"] = "reported" if used else "missing"
    if not used.keys() <= _PLAIN:
        data |= known_fields(units=units(used), tags=_tags(used))
    data |= fields
    calls = [Call(data=data, id=own_id, time=time)]
    return calls if used.get("iterations") is None else calls + _iterations(used, own_id, model, time)


def _iterations(used: Json, own_id: str | None, model: str | None, time: datetime | None) -> list[Call]:
    calls = []
    for place, iteration in enumerate(_apart(used), start=1):
        extra = known_fields(
            provider="anthropic",
            model=name(iteration.get("model")) or model,
            operation="chat",
            operation_id=own_id,
            request_kind=name(iteration.get("type")),
            **tier_and_place(used),
            status="ok",
            usage_source="reported",
        )
        calls.append(Call(data=extra | tokens(iteration), id=own_id, time=time, part=f"/iteration-{place}"))
    return calls


def tier_and_place(usage: Json) -> dict[str, str]:
    """The served tier (`fast` where the speed was paid for) and where it was computed, as far as they are said."""
    place = name(usage.get("inference_geo"))
    return known_fields(
        service_tier="fast" if usage.get("speed") == "fast" else name(usage.get("service_tier")),
        inference_region=None if place == "not_available" else place,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= NAME_LENGTH else None


@lru_cache(maxsize=1000)
def _result(tier: str | None, speed: str | None, place: str | None, stop_reason: str | None) -> dict[str, Any]:
    """How a call was served and ended; few different ones fill a log. Not to be changed."""
    said = {"service_tier": tier, "speed": speed, "inference_geo": place}
    return known_fields(**tier_and_place(said), finish_reason=name(stop_reason), status="ok")


def units(usage: Json) -> dict[str, float] | None:
    """Searches and fetches of the server's tools; None where there were none."""
    if usage.get("server_tool_use") is None:
        return None
    used = {unit: count(usage, "server_tool_use", field) for field, unit in _UNITS.items()}
    return {unit: float(held) for unit, held in used.items() if held} or None


def _apart(usage: Json) -> list[Json]:
    found = usage.get("iterations")
    if not isinstance(found, list):
        return []
    return [one for one in found if isinstance(one, dict) and one.get("type") != _ITERATION_OF_THE_CALL]


def _tags(usage: Json) -> dict[str, str] | None:
    unknown = None if usage.keys() <= _KNOWN else unknown_keys(usage, _KNOWN, "usage.")
    return {"unknown_usage": unknown} if unknown else None


@dataclass
class _Messages:
    """Messages, whole or as streams: what message_start says, overwritten by each message_delta."""

    _open: dict[str, Any] | None = field(default=None)
    _is_final: bool = False

    def take(self, body: Json) -> list[Call]:
        kind = body.get("type")
        if kind == "message_start":
            done = self.end()
            message = body.get("message")
            self._open, self._is_final = (dict(message), False) if isinstance(message, dict) else (None, False)
            return done
        if kind == "message_delta":
            self._overwrite(body)
            return []
        if kind == "message_stop":
            return self.end()
        if isinstance(kind, str) and (kind.startswith("content_block_") or kind == "ping"):
            return []
        return [*self.end(), *calls_of(body)]

    def _overwrite(self, delta: Json) -> None:
        if self._open is None:
            raise InvalidMessage(Reason.NOT_AN_EVENT, "type", "a message_delta without its message_start")
        usage = delta.get("usage")
        if isinstance(usage, dict):
            old = self._open.get("usage")
            said = {key: value for key, value in usage.items() if value is not None}
            self._open["usage"] = {**(old if isinstance(old, dict) else {}), **said}
            self._is_final = True
        reason = within(delta, "delta", "stop_reason")
        self._open["stop_reason"] = reason or self._open.get("stop_reason")

    def end(self) -> list[Call]:
        if self._open is None:
            return []
        message, self._open = self._open, None
        calls = calls_of(message)
        if not self._is_final:
            for call in calls:
                call.data.update(usage_source="estimated", status="cancelled")
        return calls


DIALECT = body_dialect("anthropic", "Anthropic's messages: bodies, batch results, stream events", _Messages)
