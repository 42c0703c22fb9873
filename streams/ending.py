"""How a worker's process ends: at once after an error, in an orderly way when it is told to stop."""

import asyncio
import logging
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

from schemas.errors import BurnlineError

_LOG = structlog.get_logger()


def end_process(error: BaseException) -> NoReturn:
    """The process ends with code 1 after one clear line; the supervisor starts it anew from what is committed.

    At once, without clean-up: after an error nobody knows which of our threads still works, and whatever was begun is
    settled by the next owner's fence. It ends even where nobody reads its log any more.
    """
    notes = "; ".join(getattr(error, "__notes__", ()))
    try:
        if isinstance(error, BurnlineError):
            _LOG.critical("ends", error=type(error).__name__, reason=str(error), **({"where": notes} if notes else {}))
        else:
            _LOG.critical("ends", error=type(error).__name__, reason=str(error), where=notes, exc_info=error)
        logging.shutdown()
        sys.stderr.flush()
    finally:
        os._exit(1)


@dataclass
class Stop:
    """Whether the process was told to stop, and whether for good: then it leaves its group."""

    told: asyncio.Event = field(default_factory=asyncio.Event)
    for_good: bool = False

    def tell(self, *, for_good: bool, grace_sec: float) -> None:
        """The process ends within the grace time, whatever hangs; what is open then is settled by the next owner."""
        self.told.set()
        self.for_good = self.for_good or for_good
        timer = threading.Timer(grace_sec, _give_up)
        timer.daemon = True
        timer.start()


def _give_up() -> None:
    try:
        _LOG.error("ends", reason="stopping took too long; what is open is settled by the next owner")
    finally:
        os._exit(1)
