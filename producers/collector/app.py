"""The collector as a web application: judges, delivers, answers. What it answers is true: 202 means Kafka has it.

Laws
1. 202 (200 for OTLP) only after every event that is not listed as refused was acknowledged. With 503 and 429 nothing is
   known to be taken; sending the same again counts once.
2. Memory is bounded: at most `max_body_bytes` per request and `max_waiting_bytes` in all; more is 413 or 429.
3. No answer and no log line quotes a body or a token.
"""

import asyncio
import logging
import time as clock
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from aiohttp import web

from producers.collector.bodies import DOORS, PROTOBUF, Door
from producers.collector.grants import Grant, GrantFile
from producers.collector.intake import Judged, Refused, judge
from producers.collector.numbers import DELIVERY, EVENTS, OTHER, REQUESTS
from producers.collector.otlp_protobuf import partial_success
from producers.collector.problems import CONTENT_TYPE, Problem, away, busy
from producers.stamp import Event
from schemas.credentials import Pepper
from schemas.errors import InputError, KafkaUnavailableError, SettingsError

_log = logging.getLogger(__name__)
HEALTH = "/health"
_MAX_TOLD = 100
_LARGE_BODY_BYTES = 262_144
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Delivering(Protocol):
    """What brings events to Kafka."""

    async def works(self) -> bool:
        """Whether Kafka answers."""

    async def deliver(self, events: list[Event]) -> None:
        """Every event is acknowledged. Raises: KafkaUnavailableError, InputError."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much and how long a caller may take."""

    max_body_bytes: int = 8 * 1024 * 1024
    max_waiting_bytes: int = 64 * 1024 * 1024
    body_sec: float = 15.0
    header_sec: float = 10.0
    keepalive_sec: float = 75.0
    max_connections: int = 512
    acknowledge_sec: float = 10.0


class Collector:
    """The application's state: who may come, where events go, how much is under way."""

    def __init__(
        self, grants: GrantFile, delivery: Delivering, bounds: Bounds, *, pepper: Pepper | None = None
    ) -> None:
        self._grants = grants
        self._delivery = delivery
        self._bounds = bounds
        self._pepper = pepper
        self._waiting_bytes = 0

    def app(self, *, on_header: Callable[[web.Request], None] = lambda _: None) -> web.Application:
        """The routes; `on_header` is called when the header of a request is there."""

        @web.middleware
        async def heard(request: web.Request, handler: _Handler) -> web.StreamResponse:
            on_header(request)
            response = await handler(request)
            known = request.path in DOORS or request.path == HEALTH
            REQUESTS.add(1, request.path if known else OTHER, str(response.status))
            return response

        app = web.Application(client_max_size=self._bounds.max_body_bytes, middlewares=[heard, _problems])
        for path in DOORS:
            app.router.add_post(path, self._take)
        app.router.add_get(HEALTH, self._health)
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        works = await self._delivery.works()
        return _json(200 if works else 503, {"status": "ok" if works else "waiting for Kafka"})

    async def _take(self, request: web.Request) -> web.Response:
        door = DOORS[request.path]
        grant = self._who(request)
        size = self._bounds.max_body_bytes if request.content_length is None else request.content_length
        if size > self._bounds.max_body_bytes:
            raise _too_large(self._bounds.max_body_bytes)
        if "content-encoding" in request.headers:
            size = self._bounds.max_body_bytes
        if self._waiting_bytes + size > self._bounds.max_waiting_bytes:
            raise busy("too much is under way; send it again")
        self._waiting_bytes += size
        try:
            judged = await self._judged(request, door, grant)
            await self._deliver(judged)
        finally:
            self._waiting_bytes -= size
        return _answer(judged, door, request.content_type)

    def _who(self, request: web.Request) -> Grant:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            grant = self._grants.grant_of(token.strip(), now_sec=clock.monotonic())
        except SettingsError as error:
            _log.error("%s", error)
            raise away("the collector's file of tokens cannot be used; its operator finds why in its log") from error
        if scheme.lower() != "bearer" or grant is None:
            detail = "send a token that is known here: Authorization: Bearer TOKEN; burnline collector token makes one"
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        return grant

    async def _judged(self, request: web.Request, door: Door, grant: Grant) -> Judged:
        try:
            async with asyncio.timeout(self._bounds.body_sec):
                body = await request.read()
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {self._bounds.body_sec:.0f} s") from None
        except web.HTTPRequestEntityTooLarge:
            raise _too_large(self._bounds.max_body_bytes) from None
        headers = {name.lower(): value for name, value in request.headers.items()}
        kind = request.content_type if "content-type" in headers else ""

        def work() -> Judged:
            rows = door.rows(body, kind, headers)
            return judge(rows, grant, now=datetime.now(UTC), default_source=door.source, pepper=self._pepper)

        return await asyncio.to_thread(work) if len(body) > _LARGE_BODY_BYTES else work()

    async def _deliver(self, judged: Judged) -> None:
        began_sec = clock.monotonic()
        try:
            await self._delivery.deliver(judged.events)
        except KafkaUnavailableError as error:
            raise away(f"{error}; send the same again, it counts once") from error
        except InputError as error:
            raise Problem(413, f"{error}; send fewer or smaller events at once") from error
        DELIVERY.took(clock.monotonic() - began_sec)
        EVENTS.add(len(judged.events), "accepted")
        EVENTS.add(len(judged.refused), "refused")
        EVENTS.add(judged.passed_over, "passed_over")


def _too_large(limit: int) -> Problem:
    return Problem(413, f"a body has at most {limit} bytes; send fewer events at once")


def _answer(judged: Judged, door: Door, kind: str) -> web.Response:
    told = [_told(one) for one in judged.refused[:_MAX_TOLD]]
    if door.is_otlp:
        first = f"; first: {judged.refused[0].reason}: {judged.refused[0].message}" if told else ""
        why = f"spans without usable usage{first}"[:500]
        if kind == PROTOBUF:
            answer = partial_success(len(judged.refused), why)
            return web.Response(status=200, body=answer, content_type=PROTOBUF)
        said = {"rejectedSpans": len(judged.refused), "errorMessage": why}
        return _json(200, {"partialSuccess": said} if told else {})
    counts = {"accepted": len(judged.events), "passed_over": judged.passed_over, "refused_count": len(judged.refused)}
    if told and not judged.events:
        raise Problem(400, "no event of the body can be counted; see refused", more={**counts, "refused": told})
    return _json(202, {**counts, "refused": told})


def _told(refused: Refused) -> dict[str, Any]:
    return {"index": refused.index, "id": refused.id, "reason": refused.reason, "message": refused.message[:500]}


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every refusal is a problem with its detail."""
    try:
        return await handler(request)
    except Problem as problem:
        found = problem
    except web.HTTPNotFound:
        found = Problem(404, f"there is nothing at {request.path[:100]}; post to {', '.join(DOORS)}")
    except web.HTTPMethodNotAllowed as error:
        found = Problem(405, f"use {', '.join(sorted(error.allowed_methods))}", headers={"Allow": "POST"})
    response = web.Response(status=found.status, body=found.body(), headers=found.headers)
    response.content_type = CONTENT_TYPE
    return response
