"""Charges of an import are taken back by a revision that is worth nothing, and replaces what stands."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from deploy.charge_undo import charges_of_import, taken_back
from schemas.charges import ChargeData, decode_charge
from schemas.errors import InputError
from schemas.policies import Budget
from sinks.charge_rows import charge_row
from streams.rating.standing_charges import kept_of
from tests.laws.charge_world import NOW_US, ChangingPolicies, Lane, message

BUDGET = Budget(id="org", org="acme", limit=Decimal(100))


def row_of(event: dict[str, Any]) -> dict[str, Any]:
    """What the view `charges` has of a charge, as a driver gives it."""
    kept = kept_of(decode_charge(msgspec.json.encode(event)), received_us=NOW_US)
    row = charge_row(msgspec.json.encode(kept))
    texts = {
        name: row[name] or "" for name in ChargeData.model_fields if name in row and isinstance(row[name], str | None)
    }
    numbers = {name: row[name] for name in ("quantity", "unit_price_usd")}
    return {**row, **texts, **numbers, "ts": row["ts"].replace(tzinfo=None)}


def test_what_is_taken_back_debits_nothing_and_stays_so() -> None:
    """Twice is once, and the import itself, sent again, is an older revision."""
    event = message(import_id="import-1", quantity="30", unit_price_usd="10.00", timezone="Europe/Berlin", revision=3)
    lane = Lane(ChangingPolicies(BUDGET))
    lane.send([event])
    assert lane.spent() != {}
    [(key, value)] = taken_back([row_of(event)])
    lane.send([value])
    lane.send([value, event])
    assert (key, lane.spent(), lane.logic.copies_dropped) == (b"acme", {}, 2)
    again = decode_charge(value)
    assert (again.data.revision, again.data.amount_usd, again.data.import_id) == (4, "0", "import-1")
    assert (again.time, again.data.service_from) == (datetime(2026, 11, 1, 9, tzinfo=UTC), date(2026, 11, 1))
    assert (again.data.quantity, again.data.unit_price_usd) == ("30", "10")


@pytest.mark.parametrize("nothing", ["", " "])
def test_what_came_without_an_import_is_no_import(nothing: str) -> None:
    """An empty id, as of a variable that was not set, would take back everything that was sent live."""
    with pytest.raises(InputError, match="IMPORT_ID is empty"):
        charges_of_import(nothing, org=None)
    with pytest.raises(InputError, match="--org is empty"):
        charges_of_import("import-1", org=nothing)


def test_only_the_import_of_an_org_is_asked_for() -> None:
    """Values travel as parameters; what is worth nothing any more is no charge to take back."""
    asked = charges_of_import("import-1", org="acme")
    assert asked.parameters == {"import_id": "import-1", "org": "acme"}
    assert "amount_usd != 0" in asked.sql
    assert "{org:String}" not in charges_of_import("import-1", org=None).sql
