"""`python -m sinks.notifier` tells alerts by the routes in force until SIGTERM."""

import sys

from schemas.connection import KafkaSettings
from schemas.numbers_page import PageSettings, serve_numbers
from sinks.exit_code import exit_code, stop_on_signals
from sinks.log import json_log
from sinks.notifier.process import run
from sinks.notifier.settings import NotifierSettings
from sinks.numbers import notifier_families

NAME = "notifier"
PREFIXES = {kind.__name__: kind.model_config["env_prefix"] for kind in (NotifierSettings, KafkaSettings, PageSettings)}


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a clean stop, 1 after an error that the supervisor answers with a new start."""
    if arguments:
        sys.stderr.write("usage: python -m sinks.notifier\n")
        return 2
    stop = stop_on_signals()

    def work() -> None:
        settings, kafka = NotifierSettings(), KafkaSettings()
        serve_numbers(notifier_families)
        run(kafka, settings, stop=stop, log=json_log(settings.log_level, process=NAME))

    return exit_code(work, json_log("INFO", process=NAME), prefixes=PREFIXES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
