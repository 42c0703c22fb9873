"""Waiting for Kafka: the same step again, slower and slower; one log line when it is gone, one when it is back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from schemas.errors import TryAgainError

Result = TypeVar("Result")
_LOG = structlog.get_logger()
_SLOW_SEC = 5.0
_FIRST_WAIT_SEC = 0.2
_LONGEST_WAIT_SEC = 5.0


async def patiently(step: Awaitable[Result], waiting: str) -> Result:
    """What the step returns; `waiting` is said once if that takes long, and once that it is over."""
    said: list[str] = []

    def say() -> None:
        said.append(waiting)
        _LOG.warning("waiting", reason=waiting)

    timer = asyncio.get_running_loop().call_later(_SLOW_SEC, say)
    try:
        result = await step
    finally:
        timer.cancel()
    if said:
        _LOG.info("going on", after=waiting)
    return result


async def until_done(step: Callable[[], Awaitable[Result]]) -> Result:
    """What the step returns when it succeeds at last; a `TryAgainError` is said once, then it is tried again."""
    wait_sec = _FIRST_WAIT_SEC
    said: str | None = None
    while True:
        try:
            result = await step()
        except TryAgainError as error:
            if said is None:
                _LOG.warning("waiting", reason=str(error))
            said = str(error)
            await asyncio.sleep(wait_sec)
            wait_sec = min(wait_sec * 2, _LONGEST_WAIT_SEC)
        else:
            if said is not None:
                _LOG.info("going on", after=said)
            return result
