"""Spool files on a local disk: each has one owner, and when that process dies another may take it over.

Laws
1. A file is locked (flock) as long as its owner lives, whatever ends the owner; two owners never hold one file.
2. After `append` returns, the bytes survive the death of the process; after `sync`, that of the machine.
3. An `append` that raises leaves the file as it was, for every reader: what it wrote is overwritten or cut.
A child made by fork closes its copies, so that the parent's death frees the locks.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import weakref
from collections.abc import Container
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]  # the one place that asks says so

SUFFIX = ".spool"
_OPEN: weakref.WeakSet[SpoolFile] = weakref.WeakSet()


class SpoolFile:
    """An open and locked file; `size` is how many of its bytes are whole, `synced` how many survive a power loss."""

    def __init__(self, path: Path, descriptor: int, *, size: int) -> None:
        self.path = path
        self.size = size
        self.synced = size
        self._descriptor = descriptor
        _OPEN.add(self)

    def append(self, data: bytes) -> None:
        """The bytes stand at the end. Raises: OSError: they do not, none of them."""
        done = 0
        try:
            while done < len(data):
                done += self._write(data[done:], self.size + done)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from `start`. Raises: OSError."""
        return os.pread(self._descriptor, size, start)

    def cut(self, size: int) -> None:
        """The file has no more than its first `size` bytes. Raises: OSError."""
        os.ftruncate(self._descriptor, size)
        self.size = size
        self.synced = min(self.synced, size)

    def sync(self) -> None:
        """What was appended by now survives a power loss. Raises: OSError."""
        size = self.size
        os.fsync(self._descriptor)
        self.synced = max(self.synced, min(size, self.size))

    def remove(self) -> None:
        """The file is gone, or at least let go. Raises: OSError."""
        try:
            self.path.unlink(missing_ok=True)
        finally:
            self.close()

    def close(self) -> None:
        """The file is let go: whoever comes next may take it over."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes, at: int) -> int:
        return os.pwrite(self._descriptor, data, at)


class SpoolFolder:
    """The folder of spool files; made, readable by its owner only, when it is not there."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if fcntl is None:
            raise OSError("a spool needs file locks as POSIX has them, which this system has not")
        self.path = Path(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, name: str) -> SpoolFile:
        """A new and empty file of ours, sorted by its name. Raises: OSError."""
        while True:
            path = self.path / f"{name}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _locked(descriptor):
                return self._file(path, descriptor, size=0)
            os.close(descriptor)  # somebody took it for a dead process's in this very moment, and will remove it

    def adopt(self, *, but: Container[str] = ()) -> SpoolFile | None:
        """The oldest file whose owner has died, but for those names; it is ours now. Raises: OSError."""
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            if path.name in but:
                continue
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            if _locked(descriptor):
                return self._file(path, descriptor, size=os.fstat(descriptor).st_size)
            os.close(descriptor)
        return None

    def sync(self) -> None:
        """That a file is there survives a power loss. Raises: OSError."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _file(self, path: Path, descriptor: int, *, size: int) -> SpoolFile:
        return SpoolFile(path, descriptor, size=size)


def _locked(descriptor: int) -> bool:
    """Whether the file is now ours: nobody held it, and it is still there (its last owner may just have removed it)."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0


def _let_go_in_child() -> None:
    for file in list(_OPEN):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
