"""From a draft of a charge to the record that is sent: fields that the user set, a stable identity. Pure.

Laws
1. A charge that says its id keeps it, whatever is set: sent again with other settings it is the same charge, which is
   refused as long as its revision is not higher. One without gets an id of what it says, `--set` included.
2. Time is never moved: a service period is what a contract says.
3. What is returned passes the contract, and holds nothing that looks like a secret.
"""

from hashlib import blake2b
from typing import Any

from producers.dialect import Draft
from producers.stamp import Event, Stamping, identity_of, sealed
from schemas.charges import CHARGE_TYPE, ChargeData, charge_key, decode_charge
from schemas.errors import InputError, InvalidMessage, Reason
from schemas.signals import rfc3339

TOPIC = "usage.charges"


def check_charge_set(name: str, value: str) -> None:
    """The field is a text of a charge; each row is judged with it. Raises: InputError: it is none."""
    allowed = [field for field in ChargeData.model_fields if field not in {"revision", "import_id"}]
    if name not in allowed:
        raise InputError(f"--set {name}={value}: a charge has no such field; it has {', '.join(allowed)}")


def stamp_charge(draft: Draft, stamping: Stamping, *, salt: bytes) -> Event:
    """The record of a draft; `salt` is the stamping's. Raises: InvalidMessage: Burnline would refuse it."""
    if draft.time is None:
        raise InvalidMessage(Reason.MISSING_FIELD, "time", "time is required")
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": CHARGE_TYPE,
        "source": draft.source if draft.source is not None else f"replay/{stamping.format}",
        "id": _made_id(draft, stamping, salt) if draft.id is None else draft.id,
        "time": rfc3339(draft.time),
        "datacontenttype": "application/json",
        "data": {**draft.data, **stamping.sets, "import_id": stamping.import_id},
    }
    event, value = sealed(event)
    key = charge_key(decode_charge(value).data.org)
    return Event(draft.row, key, value, draft.time, event["source"], event["id"])


def _made_id(draft: Draft, stamping: Stamping, salt: bytes) -> str:
    """The id of a charge that says none."""
    made = blake2b(draft.content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return identity_of(Draft(draft.row, draft.content, draft.time, draft.data, draft.source, made), stamping, salt)
