"""Changes modules of the product as the processes of a hurt stack import them; the product knows nothing of it.

`broken/sitecustomize.py` stands on the path of these processes. Only the standard library is imported here and in what
is used from here, since every process of the stack runs it.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

Patch = Callable[[Any], None]
Patches = Mapping[str, Sequence[Patch]]
"""By module: what is done to it as soon as it is loaded."""

MUTANT = "FAULTS_MUTANT"  # the name of a guard to take away, see mutants.py
POINTS = "FAULTS_POINTS"  # a directory of armed points, see failpoints.py
HURRY = "FAULTS_HURRY"  # checkpoints all the time, a page a step; inserts split by month
PROXY = "FAULTS_CLICKHOUSE_PORT"  # where the sink finds ClickHouse, see proxy.py
_ROOT = Path(__file__).parents[2]


def environment(**settings: str) -> dict[str, str]:
    """What the processes of a stack must have in their environment for these variables to mean something."""
    paths = (_ROOT, _ROOT / "producers/client", Path(__file__).with_name("broken"))
    return {"PYTHONPATH": os.pathsep.join(map(str, paths)), **settings} if settings else {}


class _Patching(Loader):
    """Loads a module as it is, then changes it."""

    def __init__(self, real: Loader, patches: Sequence[Patch]) -> None:
        self._real = real
        self._patches = patches

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real loader makes it."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the real loader fills it, then changed."""
        self._real.exec_module(module)
        for patch in self._patches:
            patch(module)


class _Finder(MetaPathFinder):
    def __init__(self, patches: Patches) -> None:
        self._patches = patches

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The real module's, with a loader that changes it."""
        spec = PathFinder.find_spec(name, path, target) if name in self._patches else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader, self._patches[name])
        return spec


def change(patches: Patches) -> None:
    """Modules imported from now on are changed so."""
    if patches:
        sys.meta_path.insert(0, _Finder(patches))
