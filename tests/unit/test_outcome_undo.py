"""Outcomes of an import are taken back by a void revision, which is what stands."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.outcome_undo import outcomes_of_import, taken_back
from schemas.errors import InputError
from schemas.outcomes import decode_outcome

AT = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    """What the view has of an outcome, as a driver gives it."""
    said = {
        "source": "github/acme/shop", "id": "pull/1/merged", "ts": AT.replace(tzinfo=None), "revision": 3,
        "org": "acme", "outcome_type": "merged", "import_id": "import-1", "artifact": "",
    }  # fmt: skip
    return said | changes


def test_what_is_taken_back_is_void_under_the_next_revision() -> None:
    """It passes the contract, whatever the type says; doing it twice sends the same bytes."""
    for kind in ("merged", "metric", "security_finding"):
        [(key, value)] = taken_back([row(outcome_type=kind)])
        event = decode_outcome(value)
        assert (key, event.id, event.data.revision, event.data.void) == (b"acme", "pull/1/merged", 4, True)
        assert event.time == AT
        assert taken_back([row(outcome_type=kind)]) == [(key, value)]
        assert "artifact" not in json.loads(value)["data"]


def test_what_came_without_an_import_is_not_asked_for() -> None:
    """An empty id would take back everything that was sent live."""
    with pytest.raises(InputError, match="IMPORT_ID is empty"):
        outcomes_of_import(" ", org=None)
    assert outcomes_of_import("import-1", org="acme").parameters == {"import_id": "import-1", "org": "acme"}
