"""Files of charges, row by row: the charge, or the reason for none. `BURNLINE_WRITE_GOLDEN=1` writes what is meant."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import schemas
from producers.charge_stamp import check_charge_set
from producers.dialect import Skipped
from producers.plan import prepare, read
from producers.stamp import parse_sets
from schemas.charges import decode_charge
from schemas.errors import InputError
from tests.laws.charge_world import ChangingPolicies, Lane, message

FOLDER = Path(__file__).parent / "charges"
SCHEMAS = Path(schemas.__file__).parent
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def told(path: Path, *sets: str) -> list[dict[str, Any]]:
    """What a replay of the file sends and skips."""
    plan = prepare("charges", [str(path)], now=NOW, sets=parse_sets(sets, check=check_charge_set))
    rows: list[dict[str, Any]] = []
    for item in read(plan, now=NOW):
        if isinstance(item, Skipped):
            rows.append({"row": item.row, "skipped": str(item.reason), "message": item.message})
        else:
            decode_charge(item.value)
            rows.append({"row": item.row, "key": item.key.decode(), "event": json.loads(item.value)})
    return rows


@pytest.mark.parametrize("name", ["contracts.csv", "contracts.jsonl"])
def test_a_file_of_charges_is_read_as_its_golden_file(name: str) -> None:
    """Every row becomes the charge, or is skipped for the reason, that the golden file says."""
    golden = FOLDER / f"{name.replace('.', '_')}.expected.jsonl"
    actual = told(FOLDER / name, "org=acme")
    if os.environ.get("BURNLINE_WRITE_GOLDEN"):
        golden.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in actual))
    assert [json.loads(line) for line in golden.read_text().splitlines()] == actual


def test_a_charge_keeps_its_own_id_whatever_is_set(tmp_path: Path) -> None:
    """So that a correction with other settings replaces it, and is no second charge; made ids tell settings apart."""
    named, nameless = tmp_path / "named.csv", tmp_path / "nameless.csv"
    named.write_text("id,kind,amount_usd,service_from,service_until\nINV-1,seat,1,2026-11-01,2026-12-01\n")
    nameless.write_text("kind,amount_usd,service_from,service_until\nseat,1,2026-11-01,2026-12-01\n")
    settings = (["org=acme"], ["org=acme", "team=ops"])
    assert [told(named, *sets)[0]["event"]["id"] for sets in settings] == ["INV-1", "INV-1"]
    assert len({told(nameless, *sets)[0]["event"]["id"] for sets in settings}) == 2


def test_a_row_that_cannot_be_read_says_how_far_it_reaches(tmp_path: Path) -> None:
    """A quote that is left open swallows what follows; a revision of thousands of digits is none."""
    path = tmp_path / "broken.csv"
    head = "id,kind,amount_usd,service_from,service_until,revision\n"
    path.write_text(f'{head}a,"seat,1,2026-11-01,2026-12-01,1\nb,seat,2,2026-11-01,2026-12-01,1\n')
    assert [(row["row"], "through line 3 cannot" in row["message"]) for row in told(path, "org=acme")] == [(2, True)]
    path.write_text(f"{head}a,seat,1,2026-11-01,2026-12-01,{'9' * 5000}\n")
    assert [row["skipped"] for row in told(path, "org=acme")] == ["wrong_type"]


def test_rows_that_move_keep_their_identity(tmp_path: Path) -> None:
    """An export that has other rows between and other columns first sends the same charges under the same ids."""
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text(
        "kind,amount_usd,service_from,service_until\nseat,1,2026-11-01,2026-12-01\ntax,2,2026-11-01,2026-12-01\n"
    )
    other.write_text(
        "service_until,kind,service_from,amount_usd,team\n2026-12-01,tax,2026-11-01,2,\n2026-12-01,seat,2026-11-01,3,\n"
        "\n2026-12-01,seat,2026-11-01,1,\n2026-12-01,seat,2026-11-01,1,\n"
    )
    before, after = ({row["event"]["id"] for row in told(path, "org=acme")} for path in (one, other))
    assert before < after
    assert (len(before), len(after)) == (2, 4)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("kind,amount,service_from,service_until", "did you mean amount_usd"),
        ("kind,service_from,service_until", "missing: amount_usd"),
        ("kind,kind,amount_usd,service_from,service_until", "stands there twice"),
        ("kind,amount_usd,service_from,service_until,description", "begin its name with x_"),
    ],
)
def test_a_header_that_is_wrong_is_said_before_anything_is_sent(tmp_path: Path, header: str, said: str) -> None:
    """No misspelt column is lost in silence."""
    path = tmp_path / "charges.csv"
    path.write_text(f"{header}\n")
    with pytest.raises(InputError, match=said):
        told(path)


def test_time_of_charges_is_never_moved() -> None:
    """A service period is what a contract says."""
    with pytest.raises(InputError, match="service periods"):
        prepare("charges", [str(FOLDER / "contracts.csv")], now=NOW, at="now")


def test_only_fields_of_charges_are_set() -> None:
    """`--set` knows what a charge has."""
    with pytest.raises(InputError, match="a charge has no such field"):
        parse_sets(["input_tokens=1"], check=check_charge_set)
    assert parse_sets(["vendor=github"], check=check_charge_set) == {"vendor": "github"}


def test_renewal_alert_is_the_example() -> None:
    """A year of 120 seats at 468 USD after one of 100 at 360, thirty days before its end; only the id is its own."""
    golden = SCHEMAS / "examples" / "alert.renewal.json"
    lane = Lane(ChangingPolicies())
    seats = {"org": "acme", "kind": "seat", "contract": "C-12", "vendor": "github", "item": "copilot-business"}
    before = {"service_from": "2024-12-10", "service_until": "2025-12-10", "quantity": "100", "amount_usd": "36000"}
    now = {"service_from": "2025-12-10", "service_until": "2026-12-10", "quantity": "120", "amount_usd": "56160"}
    lane.send([message("c-1", **seats, **before), message("c-2", **seats, **now)])
    (output,) = [output for output in lane.outputs if output.topic == "alerts.budgets"]
    actual = json.loads(output.value)
    if os.environ.get("BURNLINE_WRITE_GOLDEN"):
        golden.write_text(json.dumps(actual, indent=2) + "\n")
    expected = json.loads(golden.read_text())
    assert expected == actual
    assert output.key == actual["data"]["alert_id"].encode()
