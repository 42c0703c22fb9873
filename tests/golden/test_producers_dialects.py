"""What each dialect makes of a file, row by row, is the golden file beside it: the event, or the reason for none.

A change that is meant is written with `BURNLINE_WRITE_GOLDEN=1`, and read in the diff.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.dialect import Skipped
from producers.plan import prepare, read
from producers.stamp import parse_sets
from schemas.usage_codec import decode

FOLDER = Path(__file__).parent / "producers"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CASES = {
    "azure-llm": (
        "azure-llm",
        "azure-llm.csv",
        ["org=acme", "team=code", "provider=openai", "model=gpt-4o"],
        "original",
    ),
    "azure-llm.now": ("azure-llm", "azure-llm.csv", ["org=acme", "provider=openai", "model=gpt-4o"], "now"),
    "burnline": ("burnline", "burnline.jsonl", [], "original"),
    "servegen": ("servegen", "servegen", ["org=acme", "provider=deepseek", "model=deepseek-r1"], "original"),
    "burnline.set": ("burnline", "burnline.jsonl", ["team=other", "tags.repo=web"], "original"),
}


def _told(name: str) -> list[dict[str, Any]]:
    format_name, file, sets, at = CASES[name]
    plan = prepare(
        format_name, [str(FOLDER / file)], now=NOW, sets=parse_sets(sets), at="now" if at == "now" else "original"
    )
    rows: list[dict[str, Any]] = [{"rows": plan.rows, "import_id": plan.import_id, "shift": plan.shift}]
    for item in read(plan, now=NOW):
        if isinstance(item, Skipped):
            rows.append({"row": item.row, "skipped": str(item.reason), "message": item.message})
        else:
            decode(item.value)
            rows.append({"row": item.row, "key": item.key.decode(), "event": json.loads(item.value)})
    return rows


@pytest.mark.parametrize("name", CASES)
def test_dialect_reads_its_golden_file(name: str) -> None:
    """Every row becomes the event, or is skipped for the reason, that the golden file says."""
    golden = FOLDER / f"{name}.golden.jsonl"
    actual = _told(name)
    if os.environ.get("BURNLINE_WRITE_GOLDEN"):
        golden.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in actual))
    assert [json.loads(line) for line in golden.read_text().splitlines()] == actual


TRACE = Path(__file__).parents[3] / "shared/data/azure_llm_2023/AzureLLMInferenceTrace_code.csv"


@pytest.mark.skipif(not TRACE.exists(), reason="the Azure trace is not beside this checkout (shared/data)")
def test_the_real_trace_is_read_to_the_last_row() -> None:
    """8,819 requests, none skipped, with the file's token sums."""
    planned = prepare("azure-llm", [str(TRACE)], now=NOW, sets=parse_sets(CASES["azure-llm"][2]))
    told = [json.loads(item.value)["data"] for item in read(planned, now=NOW) if not isinstance(item, Skipped)]
    rows = [line.split(",") for line in TRACE.read_text().splitlines()[1:]]
    assert (planned.rows, len(told)) == (8_819, 8_819)
    assert sum(data["input_tokens"] for data in told) == sum(int(row[1]) for row in rows)
    assert sum(data["output_tokens"] for data in told) == sum(int(row[2]) for row in rows)
