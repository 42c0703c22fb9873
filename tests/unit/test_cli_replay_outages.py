"""What a replay says of a Kafka that is away, where no progress bar can be shown."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli.replay import outages
from producers.outcome import Progress

ROOT = Path(__file__).parents[2]


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
