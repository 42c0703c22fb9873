"""What a stream of server-sent events says of its call while it passes by. Pure: bytes in, bytes out, no content kept.

Laws
1. What `feed` and `flush` return is what came in, byte for byte; with `hide_usage` without the one event that was asked
   for on the caller's behalf: a chunk of OpenAI's with usage and no choices.
2. Of the events only those with usage, a state or a reason to finish are decoded; of those no content is kept.
3. Usage of a stream is cumulative: the last that was said counts.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from burnline_client.values import name, nested, within

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DATA = re.compile(rb"(?:^|[\r\n])data:[ ]?([^\r\n]*)")
_TELLS = re.compile(
    rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|"error"\s*:\s*\{'
    rb'|"type"\s*:\s*"(?:message_start|message_stop|error|response\.(?:created|completed|incomplete|failed))"'
)
_PIECE = re.compile(rb'"delta"\s*:|"choices"\s*:')
_FINAL = {"message_stop", "response.completed", "response.incomplete", "response.failed"}
_KEPT = ("id", "model", "object", "usage", "service_tier", "status", "stop_reason", "incomplete_details", "x_groq")
_MAX_HELD = 32 * 1024 * 1024


class StreamReader:
    """What was said so far: `body` as a whole answer would say it, without content; `pieces` of output that passed.

    `is_final`: the provider ended the stream; `failed`: it said an error.
    """

    def __init__(self, *, hide_usage: bool = False) -> None:
        self.body: dict[str, Any] = {}
        self.pieces = 0
        self.is_final = False
        self.failed = False
        self._hide = hide_usage
        self._held = b""
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """What goes on to the caller after this piece."""
        held = self._held + piece if self._held else piece
        kept: list[bytes] = []
        start = 0
        for end in _END.finditer(held):
            event = held[start : end.end()]
            start = end.end()
            if not self._is_hidden(event):
                kept.append(event)
        self._held = held[start:]
        if len(self._held) > _MAX_HELD:  # no stream of events: let it pass unread
            kept.append(self.flush())
        return b"".join(kept) if self._hide else piece

    def flush(self) -> bytes:
        """What is left when the stream has ended."""
        rest, self._held = self._held, b""
        hidden = bool(rest) and self._is_hidden(rest)
        return rest if self._hide and not hidden else b""

    def _is_hidden(self, event: bytes) -> bool:
        """Reads the event; true if it is the one that the caller did not ask for."""
        payload = b"\n".join(_DATA.findall(event))
        if not payload:
            return False
        if payload.strip() == b"[DONE]":
            self.is_final = True
            return False
        if self._begun and not _TELLS.search(payload):
            self.pieces += _PIECE.search(payload) is not None
            return False
        self._begun = True
        try:
            said = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return isinstance(said, dict) and self._read(said, payload)

    def _read(self, said: dict[str, Any], payload: bytes) -> bool:
        kind = name(said.get("type"))
        self.is_final = self.is_final or kind in _FINAL
        self.failed = self.failed or kind in {"error", "response.failed"} or isinstance(said.get("error"), dict)
        if kind == "message_delta":
            self._merge({"stop_reason": within(said, "delta", "stop_reason"), "usage": said.get("usage")})
            return False
        self._merge(nested(said.get("message")) or nested(said.get("response")) or said)
        choices = said.get("choices")
        if isinstance(choices, list):
            if choices and (reason := name(within(choices[0], "finish_reason"))) is not None:
                self.body["choices"] = [{"finish_reason": reason}]
            self.pieces += bool(choices) and _PIECE.search(payload) is not None
        return self._hide and choices == [] and isinstance(said.get("usage"), dict)

    def _merge(self, said: dict[str, Any]) -> None:
        for field in _KEPT:
            value = said.get(field)
            if value is None:
                continue
            old = self.body.get(field)
            if field == "usage" and isinstance(value, dict) and isinstance(old, dict):
                self.body[field] = {**old, **{key: held for key, held in value.items() if held is not None}}
            else:
                self.body[field] = value

    def rest(self) -> bytes:
        """What is held back, unread; nothing is held any more."""
        rest, self._held = self._held, b""
        return rest if self._hide else b""

    @property
    def has_ended(self) -> bool:
        """Whether the answer was whole: the provider ended the stream, or said why the answer ends."""
        return self.is_final or "choices" in self.body or "stop_reason" in self.body

    @property
    def has_usage(self) -> bool:
        """Whether the provider has said any usage."""
        return bool(nested(self.body.get("usage")) or nested(within(self.body, "x_groq", "usage")))
