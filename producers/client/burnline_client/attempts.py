"""One request to a provider, from its start to its event. None of its methods raises.

The request and the response are httpx's or httpx2's, whichever the provider's package uses; only their public names are
used, so neither is imported.
"""

from __future__ import annotations

import asyncio
import logging
import time as clock
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from burnline_client.calls import Call
from burnline_client.context import current, joined
from burnline_client.identity import time_ordered_id
from burnline_client.outbox import Outbox
from burnline_client.requests import asking_for_usage, inference_region_of, kind_of, model_in_path, provider_of
from burnline_client.stream import StreamReader
from burnline_client.tee import look_at

_log = logging.getLogger("burnline_client")
_operation: ContextVar[str | None] = ContextVar("burnline_operation", default=None)
_REFUSALS = (400, 422)
_CANCELS = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, SystemExit)
_SECRETS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_MAX_KEPT_BYTES = 32 * 1024 * 1024


@dataclass
class Watch:
    """What a watched client tells to whom; `refusing` are hosts that refuse to be asked for usage of streams."""

    outbox: Outbox
    fields: Mapping[str, Any]
    refusing: set[str] = field(default_factory=set)

    def begin(self, request: Any) -> Attempt | None:  # noqa: ANN401  a request of httpx or httpx2
        """The attempt that this request is; None where it is no call of a model."""
        try:
            kind = kind_of(request.method, request.url.path)
            if kind is None:
                return None
            attempt = Attempt(self, self._call(request, *kind), request)
            self.outbox.opened(attempt.call, attempt.closed)
        except Exception:  # noqa: BLE001  a bug of ours must not fail the caller's call
            _log.exception("a call is not watched")
            return None
        return attempt

    def _call(self, request: Any, shape: str, operation: str) -> Call:  # noqa: ANN401  a request of httpx or httpx2
        retries = int(request.headers.get("x-stainless-retry-count", "0"))
        if retries == 0 or _operation.get() is None:
            _operation.set(time_ordered_id(clock.time_ns() // 1_000_000))
        url = request.url
        return Call(
            shape=shape,
            provider=provider_of(url.host, shape),
            operation=operation,
            started_at=datetime.now(timezone.utc),
            fields=joined(self.fields, current()),
            request_body=_json_of(request),
            requested_model=model_in_path(url.path) or _form_model(request),
            inference_region=inference_region_of(url.host),
            secret=next((held.encode() for name in _SECRETS if (held := request.headers.get(name))), None),
            operation_id=_operation.get(),
            attempt=retries + 1,
        )


def _json_of(request: Any) -> bytes:  # noqa: ANN401  a request of httpx or httpx2
    is_json = "json" in request.headers.get("content-type", "")
    return bytes(request.content) if is_json else b""


def _form_model(request: Any) -> str | None:  # noqa: ANN401  a request of httpx or httpx2
    """The field `model` of a form; None where the request is none."""
    for one in getattr(request.stream, "fields", ()):
        if getattr(one, "name", None) == "model" and isinstance(held := getattr(one, "value", None), str):
            return held
    return None


@dataclass
class Attempt:
    """One request on its way, and what is seen of its answer; told once, when it has ended."""

    watch: Watch
    call: Call
    request: Any
    is_over: bool = False
    asked: bool = False
    _began: float = field(default_factory=clock.perf_counter)
    _kept: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        """OpenAI's streams are asked for their usage, where that is ours to do."""
        url, headers = self.request.url, self.request.headers
        is_chat = self.call.shape == "openai" and url.path.rstrip("/").endswith("/completions")
        is_signed = headers.get("authorization", "").startswith("AWS4-")
        if not is_chat or is_signed or url.host in self.watch.refusing:
            return
        asking = asking_for_usage(self.call.request_body)
        if asking is not None:
            headers = headers.copy()
            headers.pop("content-length", None)
            old = self.request
            self.request = type(old)(old.method, url, headers=headers, content=asking, extensions=old.extensions)
            self.asked = True

    def may_be_refused(self, response: Any) -> bool:  # noqa: ANN401  a response of httpx or httpx2
        """Whether the server may dislike what we asked for."""
        return self.asked and response.status_code in _REFUSALS

    def is_refused(self, refusal: bytes) -> bool:
        """True if the server does not know what we asked for; nobody is asked there again."""
        refused = b"stream_options" in refusal or b"include_usage" in refusal
        if refused:
            self.asked = False
            self.watch.refusing.add(self.request.url.host)
        return refused

    def answered(self, response: Any) -> None:  # noqa: ANN401  a response of httpx or httpx2
        """The answer has begun; if it is read already, the call has ended."""
        try:
            self.call.http_status = response.status_code
            if response.status_code >= 400:
                self.call.status = "error"
            if response.is_closed:
                self._kept += response.content
                self._over()
                return
            if self.call.status == "ok" and "text/event-stream" in response.headers.get("content-type", ""):
                self.call.stream = StreamReader(hide_usage=self.asked)
            look_at(response, self)
            weakref.finalize(response, self.closed).atexit = False
        except Exception:  # noqa: BLE001  a bug of ours must not fail the caller's call
            _log.exception("an answer is not watched")
            self._over()

    def piece(self, piece: bytes) -> bytes:
        """What goes on to the caller."""
        reader = self.call.stream
        if reader is None:
            if len(self._kept) < _MAX_KEPT_BYTES:
                self._kept += piece
            return piece
        if self.call.ttft_ms is None:
            self.call.ttft_ms = self._millis()
        try:
            return reader.feed(piece)
        except Exception:  # noqa: BLE001  a bug of ours must not fail the caller's stream
            _log.exception("a stream is not read on")
            return reader.rest() + piece

    def completed(self) -> bytes:
        """The answer was read to its end; what of it is left for the caller."""
        reader = self.call.stream
        rest = reader.flush() if reader is not None else b""
        if reader is not None and (reader.failed or not reader.has_ended):
            self.call.status = "error"
            self.call.error_type = None if reader.failed else "incomplete"
        self._over()
        return rest

    def failed(self, error: BaseException) -> None:
        """The request, or the reading of its answer, broke off."""
        if not self.is_over:
            self.call.status = "cancelled" if isinstance(error, _CANCELS) else "error"
            self.call.error_type = type(error).__name__
            self._over()

    def closed(self) -> None:
        """The answer was closed, perhaps before its end."""
        if self.is_over:
            return
        reader = self.call.stream
        if reader is not None and reader.failed:
            self.call.status = "error"
        elif self.call.status == "ok" and not (reader is not None and reader.has_ended):
            self.call.status = "cancelled"
        self._over()

    def _over(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.call.body = bytes(self._kept)
            self.call.latency_ms = self._millis()
            self.watch.outbox.put(self.call)

    def _millis(self) -> int:
        return round((clock.perf_counter() - self._began) * 1000)
