"""A disk of a few hundred MiB, so that it can be filled without harm to anybody else."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import FatalError


@contextlib.contextmanager
def small_disk(path: Path, *, mib: int) -> Iterator[None]:
    """The directory is a disk of its own, in memory. Raises: FatalError: this machine does not let us mount one."""
    path.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "burnline-faults", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FatalError(f"no small disk: {done.stderr.strip()}; a full disk needs a user who may mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)
