"""`python -m sinks` stores all there is until SIGTERM; `python -m sinks migrate` only makes tables and views."""

import sys

from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.no_pandas import refuse_pandas
from schemas.numbers_page import PageSettings, serve_numbers
from sinks.exit_code import exit_code, stop_on_signals
from sinks.log import json_log
from sinks.numbers import sink_families
from sinks.process import run, run_migrations
from sinks.settings import SinkSettings
from sinks.store import connector

PREFIXES = {
    kind.__name__: kind.model_config["env_prefix"]
    for kind in (SinkSettings, KafkaSettings, ClickHouseSettings, PageSettings)
}


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a clean stop, 1 after an error that the supervisor answers with a new start."""
    if arguments not in ([], ["migrate"]):
        sys.stderr.write("usage: python -m sinks [migrate]\n")
        return 2
    refuse_pandas()
    stop = stop_on_signals()

    def work() -> None:
        sink, kafka, clickhouse = SinkSettings(), KafkaSettings(), ClickHouseSettings()
        log = json_log(sink.log_level)
        if arguments:
            run_migrations(connector(clickhouse), clickhouse.database, stop=stop, log=log)
        else:
            serve_numbers(sink_families)
            run(kafka, clickhouse, sink, stop=stop, log=log)

    return exit_code(work, json_log("INFO"), prefixes=PREFIXES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
