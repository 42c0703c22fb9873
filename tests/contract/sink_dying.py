"""`python -m tests.contract.sink_dying POINT`: a sink that is killed the first time it reaches a named point."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sinks.__main__ import main
from sinks.corrector import Corrector
from sinks.group_log import GroupLog
from sinks.inserter import Inserter


def _leaves_out(_self: GroupLog, *, group: Any, **_: Any) -> bool:
    return group is not None and bool(group.left_out)


def _opens(_self: GroupLog, *, progress: Any, **_: Any) -> bool:
    return any(entry.topic == "usage.policies" for entry in progress)


def _corrects(_self: GroupLog, *, group: Any, **_: Any) -> bool:
    return group is not None and group.correction is not None


def _always(*_: Any, **__: Any) -> bool:
    return True


POINTS: dict[str, tuple[type, str, str, Callable[..., bool]]] = {
    "sent, not committed": (GroupLog, "_settle", "before", _always),
    "looked up, not recorded": (GroupLog, "commit", "before", _leaves_out),
    "recorded, not inserted": (GroupLog, "commit", "after", _leaves_out),
    "inserted, not said": (Inserter, "put", "after", _always),
    "slice made, not recorded": (GroupLog, "commit", "before", _corrects),
    "slice recorded, not stored": (GroupLog, "commit", "after", _corrects),
    "slice stored, not said": (Corrector, "_put", "after", _always),
    "summed, not opened": (GroupLog, "commit", "before", _opens),
    "opened, not known": (GroupLog, "commit", "after", _opens),
}
"""Where the process dies: the function, before or after it, and of which calls."""


def _arm(name: str) -> None:
    kind, function, when, wanted = POINTS[name]
    real = getattr(kind, function)

    def dying(self: Any, *arguments: Any, **keywords: Any) -> Any:
        dies = wanted(self, *arguments, **keywords)
        if dies and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, *arguments, **keywords)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(kind, function, dying)


if __name__ == "__main__":
    _arm(sys.argv[1])
    sys.exit(main([]))
