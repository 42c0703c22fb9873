"""The picture on a terminal, kept new until somebody ends it; the screen is then as it was before.

1. The screen is taken last and given back first, also by Ctrl-C, SIGTERM and an error.
2. Looking at the views happens beside it: a store that hangs stops neither keys nor the clock of what is shown.
"""

import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from deploy.top.cells import cut, label
from deploy.top.lines import Line, lines
from deploy.top.picture import Picture
from deploy.top.reading import Wanted
from schemas.errors import BurnlineError
from sinks.burning_questions import EVENT_TYPES, Sort

Look = Callable[[Wanted], Picture]
_KEYS_SEC = 0.25
_SHARE = 4
"""Looking takes at most one part in so many of the time: ClickHouse has other things to do."""
_STYLES = {"": "", "title": "bold", "head": "dim", "warn": "yellow", "bad": "red"}
_SORTS: tuple[Sort, ...] = ("usd", "requests", "name")


def watch(look: Look, wanted: Wanted, *, every_sec: float, console: Console | None = None) -> None:
    """The picture was shown until `q` was pressed.

    Raises: BurnlineError: the first look failed; later ones are said on the screen and tried again.
    """
    picture = look(wanted)
    console = console or Console(highlight=False)
    with _ended_by_signals(), _keys() as key, Live(console=console, screen=True, auto_refresh=False) as live:
        _Screen(look, wanted, picture, every_sec=every_sec).run(live, key)


class _Screen:
    """What is shown, and the look that is under way."""

    def __init__(self, look: Look, wanted: Wanted, picture: Picture, *, every_sec: float) -> None:
        self._look = look
        self._wanted = wanted
        self._picture = picture
        self._every_sec = every_sec
        self._trouble = ""
        self._due_sec = time.monotonic() + every_sec
        self._began_sec = 0.0
        self._shown: list[Line] = []
        self._looking: Future[Picture] | None = None

    def run(self, live: Live, key: Callable[[], str]) -> None:
        """Ends when the key q is pressed."""
        while True:
            self._refresh()
            found = self._drawn(live.console)
            if found != self._shown:
                live.update(_styled(found), refresh=True)
                self._shown = found
            pressed = key()
            if pressed in ("q", "Q"):
                return
            self._chosen(pressed)

    def _chosen(self, pressed: str) -> None:
        """Another order or other tables, at once."""
        if pressed == "s":
            after = (_SORTS.index(self._wanted.sort) + 1) % len(_SORTS)
            self._wanted = replace(self._wanted, sort=_SORTS[after])
        elif pressed == "b":
            kinds = (None, *EVENT_TYPES)
            at = kinds.index(self._wanted.by) if self._wanted.by in kinds else 0
            self._wanted = replace(self._wanted, by=kinds[(at + 1) % len(kinds)])
        else:
            return
        self._looking, self._due_sec = None, time.monotonic()

    def _refresh(self) -> None:
        """A look that has ended is taken; a new one is begun when it is due."""
        now_sec = time.monotonic()
        if self._looking is not None and self._looking.done():
            try:
                self._picture, self._trouble = self._looking.result(), ""
            except BurnlineError as error:
                self._trouble = str(error)
            self._looking = None
            self._due_sec = max(self._began_sec + self._every_sec, now_sec + (_SHARE - 1) * (now_sec - self._began_sec))
        if self._looking is None and now_sec >= self._due_sec:
            self._began_sec = now_sec
            self._looking = _beside(self._look, self._wanted)

    def _drawn(self, console: Console) -> list[Line]:
        """As many lines as the screen has."""
        width, height = console.size
        foot = f"q ends   s sort: {self._wanted.sort}   b by: {self._wanted.by or 'overview'}"
        trouble = [Line(cut(label(f"{self._trouble}; trying again"), width), "bad")] if self._trouble else []
        room = max(1, height - 1 - len(trouble))
        found = lines(self._picture, now=datetime.now(UTC), width=width, height=room)
        return [*trouble, *found, *([Line("")] * (room - len(found))), Line(cut(foot, width), "head")]


def _styled(found: list[Line]) -> Group:
    return Group(*(Text(line.text, _STYLES[line.style], no_wrap=True, overflow="crop") for line in found))


def _beside(look: Look, wanted: Wanted) -> "Future[Picture]":
    """The look is under way in a thread that ends with the process, however long the store hangs."""
    found: Future[Picture] = Future()

    def run() -> None:
        try:
            found.set_result(look(wanted))
        except BaseException as error:  # noqa: BLE001  raised again where the result is taken
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Keys as they are pressed, '' where none is for a moment; without a keyboard there are none."""
    if not sys.stdin.isatty():
        yield _pause
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def key() -> str:
        ready, _, _ = select.select([keyboard], [], [], _KEYS_SEC)
        pressed = os.read(keyboard, 64) if ready else b" "
        return "q" if not pressed else pressed[:1].decode(errors="replace")  # nothing to read: the terminal has gone

    try:
        tty.setcbreak(keyboard)
        yield key
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _pause() -> str:
    time.sleep(_KEYS_SEC)
    return ""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the process as an exception does: what was taken is given back."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
