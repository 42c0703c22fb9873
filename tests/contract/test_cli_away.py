"""Kafka or ClickHouse gone, as the command line says it; real because its time-outs are."""

import sys
from pathlib import Path

import pytest

from deploy.cli import main

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["sql", "SELECT 1"],
            "http://127.0.0.1:9 does not answer (connection refused); burnline status says what is down",
        ),
        (
            ["top", "--once"],
            "http://127.0.0.1:9 does not answer (connection refused); burnline status says what is down",
        ),
        (["replay", "burnline", "a.jsonl"], "no Kafka broker answers at 127.0.0.1:9"),
        (["alerts", "--follow"], "no Kafka broker answers at 127.0.0.1:9"),
    ],
)
def test_what_is_away_is_named_with_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """Kafka or ClickHouse gone is one sentence with the address and the next command; exit code 1."""
    monkeypatch.setenv("BURNLINE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("BURNLINE_CLICKHOUSE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("BURNLINE_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text("{}\n")
    monkeypatch.setattr(sys, "argv", ["burnline", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (1, "")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert "burnline " in printed.err
