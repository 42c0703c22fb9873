"""How a process of the sinks ends: when asked to, with one line for people and an exit code for the supervisor."""

import signal
import threading
from collections.abc import Callable, Mapping

from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from schemas.errors import BurnlineError
from sinks.patience import StopRequested


def exit_code(work: Callable[[], None], log: FilteringBoundLogger, *, prefixes: Mapping[str, str]) -> int:
    """0 after a clean stop, 1 after an error that the supervisor answers with a new start.

    `prefixes` has the prefix of the environment variables of each settings model by its name.
    """
    try:
        work()
    except StopRequested:
        pass
    except ValidationError as error:
        fault = error.errors()[0]
        log.error(  # noqa: TRY400  one line for people, no stack trace
            "a setting cannot be used",
            setting=prefixes[error.title] + str(fault["loc"][0]).upper(),
            reason=fault["msg"],
        )
        return 1
    except BurnlineError as error:
        log.error(  # noqa: TRY400  one line for people, no stack trace
            "stopped", error=type(error).__name__, reason=str(error)
        )
        return 1
    except Exception:
        log.exception("stopped by a fault of ours")
        return 1
    log.info("ended")
    return 0


def stop_on_signals() -> threading.Event:
    """Set when SIGTERM or SIGINT came: finish what is in hand and leave."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
