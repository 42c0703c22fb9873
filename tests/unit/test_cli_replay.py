"""What a replay says: of a Kafka that is away where no progress bar can be shown, and of what it did."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.cli.progress import outages
from deploy.cli.replay import told
from producers.outcome import Outcome, Progress

ROOT = Path(__file__).parents[2]
EVENT = (
    '{"specversion": "1.0", "type": "burnline.usage.v1", "source": "s", "id": "1", "time": "2026-11-20T09:00:00Z",'
    ' "data": {"org": "acme", "provider": "openai", "model": "gpt-4o", "input_tokens": 1}}\n'
)


def progress(sent: int, waiting_for: str) -> Progress:
    """A look at a replay of 1,000 rows."""
    return Progress(rows_read=sent, rows=1000, sent=sent, skipped=0, waiting_for=waiting_for)


def test_each_outage_is_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One when it begins, with the reason, and one when it ends; nothing in between, nothing when all is well."""
    show = outages()
    for look in (
        progress(10, ""),
        progress(20, "refused (after 1ms)"),
        progress(20, "refused (after 2ms)"),
        progress(30, ""),
        progress(40, ""),
    ):
        show(look)
    assert capsys.readouterr().err.splitlines() == [
        "waiting for Kafka, 20 of 1,000 rows sent (refused (after 1ms))",
        "Kafka answers again, 30 of 1,000 rows sent",
    ]


def test_the_words_of_the_driver_stay_out_of_the_terminal() -> None:
    """librdkafka logs what it tries; unless somebody asks for logs, that is not printed."""
    code = "import producers.sending as s; s._log.warning('GETPID: Coordinator load in progress')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("at_now", "go_on"),
    [
        (False, "run the same command again"),
        (True, "run it again with --shift 3600s in place of --at now"),
    ],
)
def test_what_was_cut_short_says_how_to_go_on_without_counting_twice(at_now: bool, go_on: str) -> None:  # noqa: FBT001  a row of the table
    """`--at now` finds another shift, so other ids, the next time: the advice names the shift that was used."""
    cut = Outcome(import_id="import-1", shift="3600s", rows=9, sent=4, interrupted=True, unacknowledged=1)
    assert list(told(cut, at_now=at_now)) == [
        "sent 4 of 9 rows, skipped 0",
        f"  1 were not acknowledged; {go_on}, nothing counts twice",
        "import import-1",
        f"interrupted; to go on, {go_on}, nothing counts twice",
    ]


def test_a_whole_replay_to_now_says_how_to_repeat_it() -> None:
    """The shift is printed where it was found, and only there."""
    whole = Outcome(import_id="import-1", shift="3600s", rows=9, sent=9)
    assert list(told(whole, at_now=True))[-1] == "the same again: --shift 3600s in place of --at now"
    assert list(told(whole, at_now=False))[-1] == "import import-1"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('{"no": 1}\n{"no": 2}\n', (1, "nothing could be sent: every row was skipped")),
        ("", (0, "0 events would be sent, 0 rows skipped")),
        ('{"no": 1}\n' + EVENT, (0, "1 events would be sent, 1 rows skipped")),
    ],
)
def test_a_replay_of_which_nothing_is_usable_fails_and_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lines: str,
    expected: tuple[int, str],
) -> None:
    """Exit code 1 when every row was skipped; 0 when some were, and it says how many; 0 for an empty file."""
    path = tmp_path / "a.jsonl"
    path.write_text(lines)
    monkeypatch.setattr(sys, "argv", ["burnline", "replay", "burnline", str(path), "--dry-run"])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr().err
    code, said = expected
    assert (end.value.code or 0) == code
    assert said in printed
    assert ("what to do: check that FORMAT" in printed) == bool(code)
