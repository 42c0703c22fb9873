"""`python -m sinks.notifier` tells alerts by the routes in force until SIGTERM."""

import sys

from pydantic import ValidationError

from schemas.connection import KafkaSettings
from schemas.errors import BurnlineError
from sinks.log import json_log
from sinks.notifier.process import run
from sinks.notifier.settings import NotifierSettings
from sinks.patience import StopRequested
from sinks.process import stop_on_signals

PREFIXES = {kind.__name__: kind.model_config["env_prefix"] for kind in (NotifierSettings, KafkaSettings)}


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a clean stop, 1 after an error that the supervisor answers with a new start."""
    if arguments:
        sys.stderr.write("usage: python -m sinks.notifier\n")
        return 2
    stop = stop_on_signals()
    log = json_log("INFO").bind(process="notifier")
    try:
        settings, kafka = NotifierSettings(), KafkaSettings()
        log = json_log(settings.log_level).bind(process="notifier")
        run(kafka, settings, stop=stop, log=log)
    except StopRequested:
        pass
    except ValidationError as error:
        fault = error.errors()[0]
        log.error(  # noqa: TRY400  one line for people, no stack trace
            "a setting cannot be used",
            setting=PREFIXES[error.title] + str(fault["loc"][0]).upper(),
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
    log.info("stopped", reason="asked to")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
