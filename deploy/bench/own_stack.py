"""A stack of its own for a benchmark, in a temporary directory: nothing of it is left, however the benchmark ends."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.stack.down import stop_stack
from deploy.stack.find import Connections, Stack
from deploy.stack.layout import layout_at
from deploy.stack.ports import Wanted
from deploy.stack.record import read_record
from deploy.stack.up import start_stack

Say = Callable[[str], None]
_START_SEC = 120.0


@contextmanager
def fresh_stack(say: Say) -> Iterator[Connections]:
    """Where a stack of its own is (`own_stack`). Raises: as `start_stack`."""
    with own_stack(say) as stack:
        yield Connections(stack.kafka(), stack.clickhouse())


@contextmanager
def own_stack(say: Say) -> Iterator[Stack]:
    """A stack of its own in a temporary directory; nothing of it is left, however it ends. Raises: as `start_stack`."""
    folder = Path(tempfile.mkdtemp(prefix="burnline-latency-"))
    layout = layout_at(folder / "stack")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    try:
        say("starting a stack of its own")
        wanted = Wanted(kafka=0, clickhouse=0)
        yield start_stack(layout, environment, wanted, timeout_sec=_START_SEC, say=lambda _text: None).stack
    finally:
        record = read_record(layout) if layout.root.exists() else None
        if record is not None:
            say("stopping it")
            stop_stack(Stack(layout, record), drain_sec=0, say=lambda _text: None)
        shutil.rmtree(folder, ignore_errors=True)
