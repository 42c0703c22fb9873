"""What is changed in the processes of a hurt stack, as their environment says; see `hook.py`."""

import os
from pathlib import Path
from typing import Any

from tests.faults.failpoints import patches_of
from tests.faults.hook import HURRY, MUTANT, POINTS, PROXY, Patch, change
from tests.faults.mutants import MUTANTS


def _rounds_all_the_time(module: Any) -> None:
    module.EVERY_US = 3_000_000


def _a_page_a_step(module: Any) -> None:
    module.BurnStage.__init__.__kwdefaults__["step_bytes"] = 1


def _a_month_a_part(module: Any) -> None:
    module.split_by_month.__kwdefaults__["most"] = 1


def _through(port: str) -> Patch:
    def patch(module: Any) -> None:
        real = module.connector

        def connector(settings: Any) -> Any:
            return real(settings.model_copy(update={"url": f"http://127.0.0.1:{port}"}))

        module.connector = connector

    return patch


def install() -> None:
    """Modules imported from now on are changed as the environment of this process says."""
    patches: dict[str, list[Patch]] = {}
    if os.environ.get(HURRY):
        patches = {
            "streams.checkpoints": [_rounds_all_the_time],
            "streams.burn.stage": [_a_page_a_step],
            "sinks.rows": [_a_month_a_part],
        }
    if os.environ.get(PROXY):
        patches.setdefault("sinks.process", []).append(_through(os.environ[PROXY]))
    if os.environ.get(MUTANT):
        for name, patch in MUTANTS[os.environ[MUTANT]].patches.items():
            patches.setdefault(name, []).append(patch)
    if os.environ.get(POINTS):
        for name, some in patches_of(Path(os.environ[POINTS])).items():
            patches.setdefault(name, []).extend(some)
    change(patches)
