"""Events of any number in order of time, in bounded memory: runs that are sorted and on disk, merged as they are read.

Laws
1. What comes out is sorted(what went in), while no more than `most_held` events and a buffer for each run are held.
2. The runs are files without a name: nothing is left on disk, whoever stops reading, and when.
"""

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO

Timed = tuple[int, bytes]
"""When, in microseconds since 1970, and what."""
MOST_HELD = 100_000
_HEAD = struct.Struct("<qI")


def in_order(events: Iterable[Timed], *, most_held: int = MOST_HELD) -> Iterator[Timed]:
    """The events by time, those of one time by their bytes. Raises: OSError: there is no room for them."""
    with ExitStack() as files:
        runs: list[IO[bytes]] = []
        held: list[Timed] = []
        for event in events:
            held.append(event)
            if len(held) == most_held:
                runs.append(files.enter_context(tempfile.TemporaryFile()))
                _write(sorted(held), runs[-1])
                held.clear()
        held.sort()
        yield from heapq.merge(*map(_read, runs), held)


def _write(events: Iterable[Timed], file: IO[bytes]) -> None:
    for at_us, value in events:
        file.write(_HEAD.pack(at_us, len(value)))
        file.write(value)
    file.seek(0)


def _read(file: IO[bytes]) -> Iterator[Timed]:
    while head := file.read(_HEAD.size):
        at_us, length = _HEAD.unpack(head)
        yield at_us, file.read(length)
