"""The command line `burnline`: exit code 0 = done, 1 = failed, 2 = asked for wrongly, 130 = Ctrl-C.

Modules of this package import at their top only what `--help` needs; each command imports what it does when it runs.
"""

import contextlib
import os
import sys

from deploy.cli.app import app
from schemas.errors import BurnlineError, InputError, TryAgainError
from schemas.no_pandas import refuse_pandas


def main() -> None:
    """The command of `sys.argv` is done; ends the process with its exit code."""
    refuse_pandas()
    try:
        app(prog_name="burnline")
    except BurnlineError as error:
        # Who is waited for in vain is `status`'s to say; a sentence that names a command knows better.
        hint = "; burnline status says what is down" if isinstance(error, TryAgainError) else ""
        sys.stderr.write(f"error: {error}{'' if 'burnline ' in str(error) else hint}\n")
        code = 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
        _close_quietly()
    except Exception as error:  # noqa: BLE001  the last door: a person reads one line, the rest is in the log
        from deploy.cli.crash import note_crash

        sys.stderr.write(f"error: {type(error).__name__}: {note_crash(error)}\n")
        code = 1
    sys.exit(code)


def _close_quietly() -> None:
    """Python would complain again when it flushes a closed pipe at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
