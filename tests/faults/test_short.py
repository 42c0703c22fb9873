"""The short form of `make faults`: each process killed once, two pauses, a death while starting."""

from pathlib import Path

import pytest

from tests.faults.plan import short_plan
from tests.faults.run import Wish, report, run

SEED = 4
SESSION_SEC = 6.0

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def test_numbers_equal_the_ledger_whatever_dies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After every fault of the short plan all invariants hold, to the last digit and alert."""
    wish = Wish(
        seed=SEED,
        seconds=45,
        rate_per_sec=100,
        faults=short_plan(seed=SEED, session_sec=SESSION_SEC),
        session_sec=SESSION_SEC,
    )
    with capsys.disabled():
        result = run(wish, tmp_path, say=lambda _text: None)
    assert result.passed, report(result)
