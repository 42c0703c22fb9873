"""`burnline top` as a command, and its picture on a real terminal."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main
from deploy.cli.top import to_json
from deploy.top.bands import is_quick
from deploy.top.picture import Piece, collapsed
from deploy.top.reading import Wanted, rated_past
from schemas.policies import Budget, PolicyChange, fold
from tests.top_world import NOW, budget_row, picture

ROOT = Path(__file__).resolve().parents[2]
TAKEN, GIVEN_BACK, SHOWN_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
PROGRAM = """
import signal
from deploy.top.live import watch
from deploy.top.reading import Wanted
from schemas.errors import StoreUnavailableError
from tests.top_world import picture
signal.signal(signal.SIGINT, signal.default_int_handler)  # a run of the tests in the background ignores Ctrl-C
looks = []
def look(wanted):
    looks.append(wanted)
    if len(looks) == 2:
        raise StoreUnavailableError("ClickHouse hangs")
    return picture(sort=wanted.sort)
watch(look, Wanted(), every_sec=0.1)
"""


class Terminal:
    """A program on a terminal of its own, and what it wrote there."""

    def __init__(self, process: "subprocess.Popen[bytes]", screen: int) -> None:
        self.process = process
        self.screen = screen
        self.written = b""

    def until(self, *texts: bytes, since: int = 0) -> None:
        """The program has written each of these after the first `since` bytes. Raises: AssertionError: not in time."""
        deadline = time.monotonic() + 30
        while not all(text in self.written[since:] for text in texts):
            assert time.monotonic() < deadline, self.written[-2000:]
            if select.select([self.screen], [], [], 1)[0]:
                self.written += os.read(self.screen, 65536)

    def resized(self, columns: int, rows: int) -> None:
        """The terminal has this size now."""
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def terminal(columns: int = 100, rows: int = 40) -> Iterator[Terminal]:
    """The picture on a terminal; killed if it still runs."""
    screen, device = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env={**environment, "TERM": "xterm-256color"},
        stdin=device, stdout=device, stderr=device, start_new_session=True,
    )  # fmt: skip
    os.close(device)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait(30)
        os.close(screen)


def test_keys_sizes_and_a_store_that_hangs() -> None:
    """Trouble is said and passes; s changes the order; a narrower terminal gets narrower lines; q gives it back."""
    with terminal() as shown:
        shown.until(TAKEN, b"USD/h 5m", b"trying again", b"sort: usd")
        os.write(shown.screen, b"s")
        shown.until(b"sort: requests")
        before = len(shown.written)
        shown.resized(40, 12)
        shown.until("UTC…".encode(), since=before)
        os.write(shown.screen, b"q")
        shown.until(GIVEN_BACK, SHOWN_CURSOR)
        assert shown.process.wait(30) == 0
        echoes = termios.tcgetattr(shown.screen)[3] & termios.ECHO
        assert echoes


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_a_signal_gives_the_screen_back(number: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM: the screen is what it was before, and the cursor is there."""
    with terminal() as shown:
        shown.until(TAKEN, b"USD/h 5m")
        shown.process.send_signal(number)
        shown.until(GIVEN_BACK, SHOWN_CURSOR)
        assert shown.process.wait(30) in (code, -number)


def test_json_holds_exact_amounts_and_the_age() -> None:
    """What a script reads is not rounded for people."""
    found = to_json(picture(), now=NOW)
    assert (found["age_sec"], found["behind"]) == (7.0, False)
    assert found["sections"][0]["burners"][0]["usd_per_hour"] == Decimal("11.322177")
    assert found["sections"][0]["entity_type"] == "team"
    assert found["budgets"][0]["spent"] == Decimal("17.1195762")


@pytest.mark.parametrize(
    "case",
    [
        (["--by", "user"], 2, "users are shown within a team only: name it with --team"),
        (["--once"], 1, "no stack found here; start one with: burnline up"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: tuple[list[str], int, str],
) -> None:
    """No stack, or people of no team: one line that says what to do, and no screen is taken."""
    arguments, code, said = case
    for name in [name for name in os.environ if name.startswith("BURNLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["burnline", "top", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (code, "")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


def test_the_overview_never_shows_people() -> None:
    """They are shown when their team is named, unless another kind is asked for."""
    assert "user" not in Wanted().kinds()
    assert Wanted(team="code").kinds() == ("user",)
    assert Wanted(team="code", by="agent").kinds() == ("agent",)
    assert (Wanted().rows(), Wanted(by="team").rows(), Wanted(limit=3).rows()) == (5, 20, 3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"scope": {"team": "code", "model": "gpt-4o"}}, True),
        ({"scope": {"agent": "nightly"}}, False),
        ({"each": "user"}, False),
        ({"each": "team"}, False),
        ({"multipliers": {"low": 2}}, False),
    ],
)
def test_bands_are_forecast_where_a_rollup_knows_the_past(changes: dict[str, Any], expected: object) -> None:
    """Not for members, who may be people, nor from thirteen weeks of events; nor for a budget that is gone."""
    [line] = collapsed([budget_row("b", "1", "10")])
    budget = Budget.model_validate({"org": "acme", "id": "b", "limit": 10, "unit": "usd", "period": "month", **changes})
    change = PolicyChange(change_id="1", actor="test", at="now", files=(), sets=(budget,))
    assert is_quick(line, fold({}, change, offset=0)) == expected
    assert not is_quick(line, {})


def test_the_past_is_unknown_where_nothing_was_said() -> None:
    """After a zero it stays zero; a gap after a rate is a gap.

    slot   0 1 2 3 4 5 6 7 8 ..
    said       5   0     7
    """
    said = [{"slot": slot, "usd_per_hour": usd, "tokens_per_min": usd} for slot, usd in ((2, 5), (4, 0), (7, 7))]
    amounts = [None if one is None else int(one.usd_per_hour) for one in rated_past(said)]
    assert amounts == [None, None, 5, None, 0, 0, 0, 7, None, None, None, None]
    assert rated_past([]) == (None,) * 12
    burn_spoke = rated_past([{"slot": slot, "usd_per_hour": 9, "tokens_per_min": 9} for slot in range(1, 9)])
    amounts = [None if one is None else int(one.usd_per_hour) for one in rated_past(said, said=burn_spoke)]
    assert amounts == [None, 0, 5, 0, 0, 0, 0, 7, 0, 0, 0, 0]
    assert rated_past(said)[2] == Piece(Decimal(5), Decimal(5))
    assert json.dumps(amounts)
