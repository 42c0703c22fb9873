"""A process without pandas: pyarrow imports it at the first array that is made of a list, for nothing of ours.

That costs 0.5 CPU seconds and 40 MB per process. The storage process keeps it: chDB itself imports it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class NoPandas(MetaPathFinder):
    """Finds every module where it is, but pandas nowhere."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, so that others look. Raises: ModuleNotFoundError: it is pandas, which optional users do without."""
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not used in this process", name=fullname)
        return None


def refuse_pandas() -> None:
    """From now on nothing imports pandas in this process; what has imported it keeps it."""
    if not any(isinstance(finder, NoPandas) for finder in sys.meta_path):
        sys.meta_path.insert(0, NoPandas())
