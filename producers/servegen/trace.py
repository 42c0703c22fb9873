"""The rates of one ServeGen client: a row per window. Reading is pure; `find_clients` looks for the files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path

from producers.dialect import Skipped
from producers.files import FileLines
from schemas.errors import InputError

TRACE_SUFFIX = "-trace.csv"
DATASET_SUFFIX = "-dataset.json"
WINDOW_SEC = 600
_COLUMNS = 6
_MOST_PER_SEC = 1e6


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a client: it begins `at_sec` seconds after the trace does; `content` is its line."""

    row: int
    content: str
    at_sec: int
    requests_per_sec: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client's requests per window, from the start of the trace, without a gap."""

    folder: str
    name: str
    has_dataset: bool
    window_sec: int
    requests: tuple[float, ...]


def read_windows(lines: Iterable[tuple[int, str]]) -> Iterator[Window | Skipped]:
    """Each numbered line that is not blank as a window, or why it is none."""
    for row, line in lines:
        content = line.strip()
        if content:
            yield _window(row, content)


def _window(row: int, content: str) -> Window | Skipped:
    cells = content.split(",")
    try:
        if len(cells) != _COLUMNS:
            return Skipped(row, "broken_row", f"the row has {len(cells)} of {_COLUMNS} columns: {content[:80]!r}")
        at_sec, per_sec = float(cells[0]), float(cells[1])
    except ValueError:
        return Skipped(row, "broken_row", f"the row does not begin with two numbers: {content[:80]!r}")
    if not (isfinite(at_sec) and at_sec.is_integer() and 0 <= at_sec < 1e10):
        return Skipped(row, "out_of_range", f"the window starts at {cells[0][:40]!r}, not at a whole second of a trace")
    if not 0 <= per_sec <= _MOST_PER_SEC:
        return Skipped(row, "out_of_range", f"the rate is {cells[1][:40]!r} requests a second")
    return Window(row, content, int(at_sec), per_sec)


def find_clients(path: Path) -> list[Client]:
    """The clients of a folder, at any depth, by folder and number. A trace with a broken row is refused.

    Raises: InputError: there is none, or a file is no trace of ServeGen.
    """
    files = sorted(path.rglob(f"*{TRACE_SUFFIX}"), key=lambda file: (str(file.parent), len(file.name), file.name))
    if not files:
        raise InputError(f"{path} holds no files named *{TRACE_SUFFIX}")
    return [_client(file, path) for file in files]


def _client(file: Path, root: Path) -> Client:
    windows: list[Window] = []
    for found in read_windows(enumerate(FileLines(file).lines(), start=1)):
        if isinstance(found, Skipped):
            raise InputError(f"{file}: row {found.row}: {found.message}")
        windows.append(found)
    steps = {after.at_sec - before.at_sec for before, after in pairwise(windows)}
    if len(steps) > 1 or min(steps, default=WINDOW_SEC) <= 0:
        raise InputError(f"{file}: its windows are not of one length: {', '.join(map(str, sorted(steps)[:4]))} s")
    window_sec = steps.pop() if steps else WINDOW_SEC
    folder = file.parent.relative_to(root).as_posix()
    return Client(
        folder=folder if folder != "." else root.name,
        name=file.name.removesuffix(TRACE_SUFFIX),
        has_dataset=dataset_of(file).exists(),
        window_sec=window_sec,
        requests=tuple(window.requests_per_sec * window_sec for window in windows),
    )


def dataset_of(trace: Path) -> Path:
    """Where the distributions of this trace's client would be."""
    return trace.with_name(trace.name.removesuffix(TRACE_SUFFIX) + DATASET_SUFFIX)
