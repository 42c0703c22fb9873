"""Watches a client of the `openai` or `anthropic` package: every call that it makes becomes an event, in one line.

    client = burnline_client.watch(OpenAI())

What is watched is the client's own HTTP client, so streams, raw responses, helpers and copies made by `with_options`
are seen too, and each attempt of a call that is retried: attempts share an `operation_id`.

Laws
1. The client stays the object, the type and the behaviour that it was. Nothing of ours is ever raised by its calls.
2. No call waits for Burnline: requests and answers are looked at in another thread.
3. Of OpenAI's streams usage is asked for on the caller's behalf only where he does not say so himself, and what he did
   not ask for he does not see. A server that refuses to be asked gets the request as the caller wrote it.
"""

from __future__ import annotations

import time as clock
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from burnline_client.attempts import Watch
from burnline_client.calls import events_of
from burnline_client.context import checked
from burnline_client.credentials import Pepper
from burnline_client.environment import credential_pepper, fingerprint_key, shared_emitter
from burnline_client.outbox import Emitter, Outbox

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from burnline_client.fields import UsageFields

_Client = TypeVar("_Client")
_MARK = "_burnline_watch"
_outboxes: dict[tuple[int, bytes | None, Pepper | None], Outbox] = {}


def watch(
    client: _Client, emitter: Emitter | None = None, *, key: bytes | None = None, **fields: Unpack[UsageFields]
) -> _Client:
    """The same client; from now on each of its calls is told to the emitter, with `fields` and those of the `task`.

    Without an emitter one is made from the environment (BURNLINE_KAFKA_BOOTSTRAP_SERVERS, BURNLINE_ORG, ...) and shared
    by all that do so. `key` is the secret for fingerprints of prompts, else what BURNLINE_FINGERPRINT_KEY_FILE holds;
    without one there are none. The client's API key becomes an id under the pepper of BURNLINE_CREDENTIAL_PEPPER_FILE.
    Watching a client again replaces emitter, key and fields.
    Raises: TypeError: this is no client of the openai or anthropic package. InvalidUsageError: a field cannot be used.
    """
    http: Any = getattr(client, "_client", None)
    if not hasattr(http, "send") or not hasattr(client, "base_url"):
        raise TypeError(f"watch() takes a client of the openai or anthropic package, not {type(client).__name__}")
    used: Emitter = emitter if emitter is not None else shared_emitter()
    secret = key if key is not None else fingerprint_key()
    watched = Watch(outbox=_outbox(used, secret, credential_pepper()), fields=checked(dict(fields)))
    before = getattr(http, _MARK, None)
    if isinstance(before, Watch):
        before.outbox, before.fields = watched.outbox, watched.fields
        return client
    send = _loosely_bound(http)
    setattr(http, _MARK, watched)
    door = _async_door(watched, send) if iscoroutinefunction(http.send) else _door(watched, send)
    http.send = door
    return client


def flush(timeout_sec: float = 30.0) -> bool:
    """Whether every call of a watched client that has ended is acknowledged by Kafka, within the time.

    For processes that end without Python's exit handlers (`os._exit`, children of multiprocessing, functions that are
    frozen between calls); others need it not.
    """
    give_up_at = clock.monotonic() + timeout_sec
    handed_over = [outbox.flush(max(0.0, give_up_at - clock.monotonic())) for outbox in list(_outboxes.values())]
    emitters = {id(outbox.emitter): outbox.emitter for outbox in _outboxes.values() if hasattr(outbox.emitter, "flush")}
    waiting = [emitter.flush(max(0.0, give_up_at - clock.monotonic())) for emitter in emitters.values()]
    return all(handed_over) and not any(waiting)


def _outbox(emitter: Emitter, key: bytes | None, pepper: Pepper | None) -> Outbox:
    """The emitter's outbox; one for all who share emitter, key and pepper."""
    name = (id(emitter), key, pepper)
    if name not in _outboxes:
        _outboxes[name] = Outbox(emitter, events_of=partial(events_of, key=key, pepper=pepper))
    return _outboxes[name]


def _loosely_bound(http: Any) -> Callable[..., Any]:  # noqa: ANN401  a client of httpx or httpx2
    """Its `send`, without keeping the client alive: it closes its connections when nobody holds it."""
    function = getattr(http.send, "__func__", None)
    if function is None:
        found: Callable[..., Any] = http.send
        return found
    reference = weakref.ref(http)
    return lambda request, **options: function(reference(), request, **options)


def _door(watched: Watch, send: Callable[..., Any]) -> Callable[..., Any]:
    def watched_send(request: Any, **options: Any) -> Any:  # noqa: ANN401  httpx's or httpx2's
        attempt = watched.begin(request)
        if attempt is None:
            return send(request, **options)
        try:
            response = send(attempt.request, **options)
            if attempt.may_be_refused(response) and attempt.is_refused(response.read()):
                response = send(request, **options)
        except BaseException as error:
            attempt.failed(error)
            raise
        attempt.answered(response)
        return response

    return watched_send


def _async_door(watched: Watch, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def watched_send(request: Any, **options: Any) -> Any:  # noqa: ANN401  httpx's or httpx2's
        attempt = watched.begin(request)
        if attempt is None:
            return await send(request, **options)
        try:
            response = await send(attempt.request, **options)
            if attempt.may_be_refused(response) and attempt.is_refused(await response.aread()):
                response = await send(request, **options)
        except BaseException as error:
            attempt.failed(error)
            raise
        attempt.answered(response)
        return response

    return watched_send
