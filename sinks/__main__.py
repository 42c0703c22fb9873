"""`python -m sinks` stores all there is until SIGTERM; `python -m sinks migrate` only makes tables and views."""

import sys

from pydantic import ValidationError

from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.errors import BurnlineError
from schemas.no_pandas import refuse_pandas
from sinks.log import json_log
from sinks.patience import StopRequested
from sinks.process import run, run_migrations, stop_on_signals
from sinks.settings import SinkSettings
from sinks.store import connector

PREFIXES = {
    kind.__name__: kind.model_config["env_prefix"] for kind in (SinkSettings, KafkaSettings, ClickHouseSettings)
}


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a clean stop, 1 after an error that the supervisor answers with a new start."""
    if arguments not in ([], ["migrate"]):
        sys.stderr.write("usage: python -m sinks [migrate]\n")
        return 2
    refuse_pandas()
    stop = stop_on_signals()
    log = json_log("INFO")
    try:
        sink, kafka, clickhouse = SinkSettings(), KafkaSettings(), ClickHouseSettings()
        log = json_log(sink.log_level)
        if arguments:
            run_migrations(connector(clickhouse), clickhouse.database, stop=stop, log=log)
            return 0
        run(kafka, clickhouse, sink, stop=stop, log=log)
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
