"""Charges as a table or as JSON (`record_files`); one that says no time is of its first day. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from producers.dialect import Dialect, Lines, Row
from producers.record_files import Kind, Said, records
from schemas.charges import CHARGE_TYPE, ChargeData


def _first_day(said: Said) -> datetime | str:
    first = said.get("service_from")
    try:
        return datetime.fromisoformat(f"{first}T00:00:00Z").astimezone(UTC)
    except (ValueError, OverflowError):
        return f"service_from is {first!r:.60}, not a date like 2026-11-01"


KIND = Kind(
    format="charges",
    noun="a charge",
    event_type=CHARGE_TYPE,
    fields=tuple(name for name in ChargeData.model_fields if name != "import_id"),
    required=("kind", "amount_usd", "service_from", "service_until"),
    typed=lambda _name, cell: cell,
    default_time=_first_day,
)


def read(lines: Lines) -> Iterator[Row]:
    """One row per charge. Raises: InputError: the header has a column that is none of ours, or lacks one."""
    return records(KIND, lines)


DIALECT = Dialect(
    name="charges",
    about="CSV or JSON lines of charges: seats, subscriptions, commitments, credits, refunds (docs/charges.md)",
    read=read,
    topic="usage.charges",
)
