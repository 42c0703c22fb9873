"""One command at a time starts or stops a stack."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from deploy.stack.layout import Layout
from schemas.errors import FatalError

_WAIT_SEC = 300.0


@contextlib.contextmanager
def locked(layout: Layout, *, say: Callable[[str], None], wait_sec: float = _WAIT_SEC) -> Iterator[None]:
    """Within the block nobody else starts or stops this stack; the lock ends with the process that holds it.

    Raises: FatalError: another command held it for `wait_sec`.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline, told = time.monotonic() + wait_sec, False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say("another burnline command is starting or stopping this stack; waiting for it")
                    told = True
                if time.monotonic() > deadline:
                    raise FatalError(f"another burnline command holds {layout.lock}; end it and try again") from None
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
