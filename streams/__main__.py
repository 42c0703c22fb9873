"""`python -m streams rating|burn|patterns [--instance N]`: a worker of a stage until SIGTERM, or SIGUSR1 for good."""

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, cast

from schemas.no_pandas import refuse_pandas
from streams.ports import PolicyLog, StageLogic
from streams.settings import read_settings
from streams.unused import refuse_unused

if TYPE_CHECKING:
    from streams.app import MakeStage

STAGES = {
    "rating": ("streams.rating.stage", "RatingStage"),
    "burn": ("streams.burn.stage", "BurnStage"),
    "patterns": ("streams.patterns.stage", "PatternsStage"),
}


def stage_maker(name: str) -> "MakeStage":
    """What makes the stage's logic once there is a policy log. The stage is imported only then: others need not be."""
    module, attribute = STAGES[name]

    def make(policy_log: PolicyLog) -> StageLogic:
        sizes = {"window_events": read_settings().duplicate_window_events} if name == "rating" else {}
        return cast("StageLogic", getattr(import_module(module), attribute)(policy_log=policy_log, **sizes))

    return make


def main() -> None:
    """Runs the stage that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m streams",
        description="Runs one worker of one stage until SIGTERM: its partitions wait for its restart, for the session "
        "time-out. SIGUSR1 stops it for good: they move to the other workers at once.",
    )
    parser.add_argument("stage", choices=sorted(STAGES))
    parser.add_argument("--instance", help="which of the stage's workers this is; each has its own (default 0)")
    arguments = parser.parse_args()
    refuse_pandas()
    refuse_unused()
    from streams.app import run_stage  # noqa: PLC0415  Faust is imported without what was refused

    run_stage(stage_maker(arguments.stage), name=arguments.stage, instance=arguments.instance)


if __name__ == "__main__":
    main()
