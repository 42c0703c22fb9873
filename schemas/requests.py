"""What operators ask of the sink on `internal.requests`: one record each, JSON told apart by `kind`.

The sink does them between its inserts, one after the other, and each is done whatever dies: what is asked for twice
under one id is done once. Long lists (new prices, new attributions) come before their request as records of their own
with the header `prices`, so that nothing of a request is done before all of it is there.
"""

from datetime import date, datetime

import msgspec
import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import MONEY, from_arrow_bytes

TOPIC = "internal.requests"
PRICES_HEADER = "prices"
"""The header of a record with new prices; its value is the id of the request that they are for."""

PRICES_SCHEMA = pa.schema(
    [
        ("ts", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),
        ("id", pa.string()),
        ("version", pa.uint64()),  # of the row that was priced: one that has changed since is left alone
        ("cost_usd", MONEY),
        ("list_cost_usd", MONEY),
        ("ceiling_cost_usd", MONEY),
        ("pricing_status", pa.string()),
    ]
)
"""New prices of rows of the ledger, ordered by hour, source and id."""
ATTRIBUTED = ("user", "agent", "team", "business_unit", "cost_center")
ATTRIBUTIONS_SCHEMA = pa.schema(
    [
        *(PRICES_SCHEMA.field(name) for name in ("ts", "source", "id", "version")),
        *((name, pa.string()) for name in ATTRIBUTED),
    ]
)
"""Whose rows of the ledger are from now on, in the same order."""
REVISION_BITS = 32


def version_of(*, revision: int, correction: int) -> int:
    """What orders the rows of an event in the ledger: revisions first, then how often each was corrected."""
    return (revision << REVISION_BITS) | correction


class ReconcileRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="reconcile"):
    """Compare and repair the days [since, until) of UTC. Asked twice, it is done twice, which changes nothing more."""

    request_id: str
    since: date
    until: date


class UndoRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="undo"):
    """No event of the import counts any more. `org`: only those of this organisation."""

    request_id: str
    import_id: str
    org: str = ""
    asked_by: str = ""
    asked_at: datetime


class RerateRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rerate"):
    """Rows of the ledger get the prices that stand in the records `offsets` of this topic, in order."""

    request_id: str
    offsets: tuple[int, ...]
    rows: int  # in all of them
    price_book_version: str
    asked_by: str = ""
    asked_at: datetime


class ReattributeRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="reattribute"):
    """Rows of the ledger are of whom the records `offsets` of this topic say, in order."""

    request_id: str
    offsets: tuple[int, ...]
    rows: int  # in all of them
    policy_offset: int  # of the directory that says so
    asked_by: str = ""
    asked_at: datetime


class ForgetRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="forget"):
    """The store names this user of the organisation by the pseudonym only; asked twice, the second changes nothing.

    `dry_run`: rows are counted, and nothing is changed.
    """

    request_id: str
    org: str
    user: str
    pseudonym: str  # made at random by who asks; the sink keeps no list
    budgets: tuple[str, ...]  # ids of the budgets that are, or were, for each user
    dry_run: bool = False


Correction = UndoRequest | RerateRequest | ReattributeRequest
Request = ReconcileRequest | UndoRequest | RerateRequest | ReattributeRequest | ForgetRequest


def request_bytes(request: Request) -> bytes:
    """Its JSON."""
    return msgspec.json.encode(request)


def request_from_bytes(raw: bytes) -> Request:
    """The request of a record. Raises: msgspec.MsgspecError: it is none."""
    return msgspec.json.decode(raw, type=Request)  # type: ignore[no-any-return]  # msgspec does not type unions


def news_from_bytes(raw: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """The new prices or attributions of a record. Raises: CorruptStateError: it holds other columns, or none."""
    try:
        news = from_arrow_bytes(raw)
    except (pa.ArrowInvalid, StopIteration) as error:
        raise CorruptStateError("a record of what is new is not an Arrow batch") from error
    if not news.schema.equals(schema):
        raise CorruptStateError("a record of what is new has other columns than its request")
    return news
