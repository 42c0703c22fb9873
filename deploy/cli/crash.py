"""Where an error that nobody foresaw is written down."""

import os
import tempfile
import traceback
from datetime import UTC, datetime

from deploy.stack.find import find_stack
from schemas.errors import BurnlineError


def note_crash(error: Exception) -> str:
    """A short sentence about the error and where its whole story is, which is written by this call."""
    story = "".join(traceback.format_exception(error))
    first = (str(error).strip().splitlines() or ["no message"])[0][:300]
    if os.environ.get("BURNLINE_DEBUG"):
        return f"{first}\n{story}"
    try:
        stack = find_stack(None, os.environ)
        if stack is not None:
            path = str(stack.layout.log("cli"))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        else:
            descriptor, path = tempfile.mkstemp(prefix="burnline-", suffix=".log")
        with os.fdopen(descriptor, "a") as log:
            log.write(f"{datetime.now(UTC).isoformat()}\n{story}\n")
    except (OSError, BurnlineError):
        return f"{first}; set BURNLINE_DEBUG=1 to see where"
    return f"{first}; the whole story is in {path}"
