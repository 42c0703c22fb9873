"""The collector as a process: listens, keeps slow and idle callers from holding it, ends without losing a request."""

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from producers.collector.app import Bounds, Collector
from producers.collector.delivery import Delivery
from producers.collector.grants import GrantFile
from schemas.connection import KafkaSettings
from schemas.credentials import Pepper
from schemas.errors import SettingsError
from schemas.heartbeats import COLLECTOR

_log = logging.getLogger(__name__)
_GRACE_SEC = 20.0


class _Callers:
    """Who has not sent a whole header after `header_sec` is closed; connections beyond the most are not taken.

    aiohttp bounds a body (`Collector`) and an idle connection (keepalive), but not the first header of a connection.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._silent_since: dict[web.RequestHandler, float] = {}
        self.server: web.Server | None = None

    def accept(self) -> asyncio.Protocol:
        """What serves one more connection."""
        server = self.server
        if server is None or len(server.connections) >= self._bounds.max_connections:
            return _TurnedAway()
        caller = server()
        self._silent_since[caller] = asyncio.get_running_loop().time()
        return caller

    def heard(self, caller: web.RequestHandler) -> None:
        """The caller has sent a whole header."""
        self._silent_since.pop(caller, None)

    async def watch(self) -> None:
        """Never returns: closes those who are too slow."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._bounds.header_sec / 4))
            too_slow = loop.time() - self._bounds.header_sec
            for caller, since in list(self._silent_since.items()):
                if since > too_slow:
                    break  # they stand in the order in which they came
                del self._silent_since[caller]
                if caller.transport is not None:
                    caller.transport.close()


class _TurnedAway(asyncio.Protocol):
    """A connection too many: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is closed."""
        transport.close()


async def serve(  # noqa: PLR0913  settings of one thing, all by name
    *,
    host: str,
    port: int,
    kafka: KafkaSettings,
    tokens: Path,
    bounds: Bounds | None = None,
    tls: ssl.SSLContext | None = None,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    pepper: Pepper | None = None,
    beat_sec: float = 0.0,
) -> None:
    """Returns when every request that had begun was answered, after `stop`, or SIGTERM or SIGINT where there is none.

    `on_ready` gets the address; `beat_sec` lies between two heartbeats of the collector's own, 0: it sends none.

    Raises: SettingsError: the tokens or the address cannot be used.
    """
    bounds = bounds or Bounds()
    grants = GrantFile.at(tokens)
    callers = _Callers(bounds)
    delivery = Delivery(kafka, timeout_sec=bounds.acknowledge_sec)
    beating: asyncio.Task[None] | None = None
    try:
        collector = Collector(grants, delivery, bounds, pepper=pepper)
        app = collector.app(on_header=lambda request: callers.heard(request.protocol))
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=bounds.keepalive_sec,
            lingering_time=2.0,
            shutdown_timeout=_GRACE_SEC,
        )
        await runner.setup()
        callers.server = runner.server
        stop = stop or _stop_signal()
        beating = asyncio.create_task(_beat(delivery, every_sec=beat_sec)) if beat_sec else None
        await _listen(runner, callers, host=host, port=port, tls=tls, on_ready=on_ready, stop=stop)
    finally:
        if beating is not None:
            beating.cancel()
        await asyncio.to_thread(delivery.close)


async def _beat(delivery: Delivery, *, every_sec: float) -> None:
    """Never returns: sends a heartbeat now and then."""
    life = uuid4().hex[:8]
    while True:
        now = datetime.now(UTC)
        delivery.beat(f"{COLLECTOR}{life}-{int(now.timestamp())}", sent_at=now)
        await asyncio.sleep(every_sec)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _listen(  # noqa: PLR0913  settings of one thing, all but two by name
    runner: web.AppRunner,
    callers: _Callers,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    on_ready: Callable[[str], None] | None,
    stop: asyncio.Event,
) -> None:
    loop = asyncio.get_running_loop()
    try:
        listening = await loop.create_server(callers.accept, host, port, ssl=tls, backlog=128)
    except OSError as error:
        raise SettingsError(f"cannot listen at {host}:{port}: {error.strerror}; choose with --listen") from error
    watching = asyncio.create_task(callers.watch())
    bound = listening.sockets[0].getsockname()
    if on_ready is not None:
        on_ready(f"{'https' if tls else 'http'}://{bound[0]}:{bound[1]}")
    try:
        await stop.wait()
    finally:
        listening.close()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await runner.cleanup()
