"""Files that a replay reads: plain, .gz, a folder of them, or `-` for standard input. Each can be read twice."""

import gzip
import json
import shutil
import sys
import weakref
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol

from schemas.errors import InputError


class TextLines(Protocol):
    """Something with a name that yields its lines anew at each call."""

    @property
    def name(self) -> str:
        """What the user called it."""

    def lines(self) -> Iterator[str]:
        """Every line with its end; bytes that are not UTF-8 come as lone surrogates."""


class FileLines:
    """The lines of a file, unpacked if its name ends in .gz."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def lines(self) -> Iterator[str]:
        """Every line with its end.

        Raises: InputError: the file cannot be read, or is no gzip file though it is called .gz.
        """
        try:
            with self._open() as file:
                for line in file:
                    yield line.decode("utf-8", "surrogateescape")
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot read {self.name}: {why}") from error

    def _open(self) -> AbstractContextManager[Iterable[bytes]]:
        return gzip.open(self._path) if self._path.suffix == ".gz" else self._path.open("rb")


class PairedLines:
    """A file's lines behind one of JSON: its folder and name, and the text of the file beside it (null without one).

    `endings` are those of the two names: a name that lacks the first has nothing beside it.
    """

    def __init__(self, path: Path, endings: tuple[str, str]) -> None:
        self.name = str(path)
        self._path = path
        own, other = endings
        has = path.name.endswith(own)
        beside = path.with_name(path.name.removesuffix(own) + other)
        self._beside = FileLines(beside) if has and beside.exists() else None

    def lines(self) -> Iterator[str]:
        """The line of JSON, then every line with its end.

        Raises: InputError: one of the files cannot be read.
        """
        beside = "".join(self._beside.lines()) if self._beside is not None else None
        name = f"{self._path.resolve().parent.name}/{self._path.name}"
        yield json.dumps({"file": name, "beside": beside}) + "\n"
        yield from FileLines(self._path).lines()


class StandardInput:
    """The lines of standard input, kept in a temporary file so that they can be read again."""

    name = "-"

    def __init__(self) -> None:
        self._kept = TemporaryFile()  # noqa: SIM115  lives as long as this object, and no longer:
        weakref.finalize(self, self._kept.close)
        shutil.copyfileobj(sys.stdin.buffer, self._kept)

    def lines(self) -> Iterator[str]:
        """Every line with its end."""
        self._kept.seek(0)
        for line in self._kept:
            yield line.decode("utf-8", "surrogateescape")


def find(
    paths: Iterable[str], patterns: Sequence[str] = (), *, beside: tuple[str, str] | None = None
) -> list[TextLines]:
    """The files that the paths mean, those of a folder sorted by name (hidden ones left out).

    With `beside`, each is read together with the file beside it. With patterns, a folder means the files at any depth
    whose name fits one of them; without, those directly in it.
    Raises: InputError: a path does not exist or a folder holds no file; or no path was given.
    """
    found: list[TextLines] = []

    def lines_of(path: Path) -> TextLines:
        return FileLines(path) if beside is None else PairedLines(path, beside)

    for text in paths:
        path = Path(text)
        if text == "-":
            found.append(StandardInput())
        elif path.is_dir():
            inside = _inside(path, patterns)
            if not inside:
                which = f"files named {' or '.join(patterns)}" if patterns else "files"
                raise InputError(f"{text} is a folder without {which}")
            found += [lines_of(p) for p in inside]
        elif path.exists():
            found.append(lines_of(path))
        else:
            raise InputError(f"{text} does not exist")
    if not found:
        raise InputError("no file was given; write one, a folder, or - for standard input")
    return found


def _inside(folder: Path, patterns: Sequence[str]) -> list[Path]:
    if not patterns:
        return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    found = (p for p in folder.rglob("*") if any(fnmatch(p.name, pattern) for pattern in patterns))
    return sorted(
        p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts) and p.is_file()
    )


class Digested:
    """Passes lines on and knows the digest of all that passed."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self._hash = blake2b(digest_size=16)

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._hash.update(line.encode("utf-8", "surrogateescape"))
            yield line

    def digest(self) -> bytes:
        """The digest of every line that was read so far."""
        return self._hash.digest()
