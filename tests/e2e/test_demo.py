"""The demo as a newcomer runs it, with a smaller day: every sum is the ledger's, and nothing is left running."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cli_stack import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


def test_the_demo_finds_what_was_planted_and_every_sum_is_the_ledgers(tmp_path: Path) -> None:
    """All checks are equal, what was planted is named and nobody else is; the stack is gone afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "demo", "--events", "4000"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": f"{ROOT}:{ROOT / 'producers/client'}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    checks = [line.split()[0] for line in done.stdout.partition("IS IT TRUE?")[2].splitlines()[3:] if " " in line]
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert checks.count("ok") > 40
    assert "equal to the last token and the last pico-dollar" in done.stdout
    running = [one.info["cmdline"] or () for one in psutil.process_iter(["cmdline"])]
    assert [command for command in running if str(tmp_path) in " ".join(command)] == []
