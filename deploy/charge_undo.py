"""Charges of an import, taken back: each gets a revision whose amount is 0. Pure but for `send`.

Laws
1. Taken back is what stands with this import's id: a charge that a later import revised is that import's.
2. The same rows give the same bytes, so that doing it twice changes nothing more.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from producers.sending import Sender
from schemas.charges import CHARGE_TYPE, ChargeData, charge_key
from schemas.connection import KafkaSettings
from schemas.errors import InputError
from schemas.money import plain
from schemas.signals import rfc3339
from sinks.queries import Query

TOPIC = "usage.charges"
_FIELDS = tuple(name for name in ChargeData.model_fields if name not in {"revision", "amount_usd"})


def charges_of_import(import_id: str, *, org: str | None) -> Query:
    """The charges that stand with this import's id and are worth something.

    Raises: InputError: a name is empty: '' stands for all that came without an import, and for every organisation.
    """
    where, parameters = of_import(import_id, org=org)
    sql = f"SELECT v.source, v.id, v.ts, v.revision, v.amount_usd, {', '.join(f'v.{name}' for name in _FIELDS)}"
    return Query(f"{sql} FROM charges AS v WHERE {where} AND v.amount_usd != 0 ORDER BY v.org, v.charge_id", parameters)


def of_import(import_id: str, *, org: str | None) -> tuple[str, dict[str, Any]]:
    """Condition and parameters of what stands with this import's id. Raises: InputError: a name is empty."""
    if not import_id.strip():
        raise InputError("IMPORT_ID is empty; write the id that burnline replay printed")
    if org is not None and not org.strip():
        raise InputError("--org is empty; leave it out to undo the import of every organisation")
    if org is None:
        return "v.import_id = {import_id:String}", {"import_id": import_id}
    return "v.import_id = {import_id:String} AND v.org = {org:String}", {"import_id": import_id, "org": org}


def taken_back(rows: Iterable[Mapping[str, Any]]) -> list[tuple[bytes, bytes]]:
    """Key and value of a record for each row of `charges_of_import`."""
    return [(charge_key(row["org"]), msgspec.json.encode(_event(row))) for row in rows]


def send(kafka: KafkaSettings, records: Sequence[tuple[bytes, bytes]], *, topic: str = TOPIC) -> None:
    """All records are acknowledged. Raises: KafkaUnavailableError, SettingsError, FatalError."""
    with Sender(kafka, topic) as sender:
        for key, value in records:
            sender.send(key, value, lambda _why: None)
        while sender.flush(1.0):
            pass


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: _said(row[name]) for name in _FIELDS if row[name] not in {"", None}}
    at: datetime = row["ts"]
    return {
        "specversion": "1.0",
        "type": CHARGE_TYPE,
        "source": row["source"],
        "id": row["id"],
        "time": rfc3339(at if at.tzinfo is not None else at.replace(tzinfo=UTC)),
        "datacontenttype": "application/json",
        "data": {**data, "revision": row["revision"] + 1, "amount_usd": "0"},
    }


def _said(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str) else plain(value)  # type: ignore[arg-type]  # a Decimal: what is left
