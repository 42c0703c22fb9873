"""From a draft of a charge to the record that is sent: fields that the user set, a stable identity. Pure.

Laws
1. A charge that says its id keeps it, whatever is set: sent again with other settings it is the same charge, which is
   refused as long as its revision is not higher. One without gets an id of what it says, `--set` included.
2. Time is never moved: a service period is what a contract says.
3. What is returned passes the contract, and holds nothing that looks like a secret.
"""

from producers.dialect import Draft
from producers.record_stamp import made_id, stamped
from producers.stamp import Event, Stamping
from schemas.charges import CHARGE_TYPE, ChargeData, charge_key, decode_charge
from schemas.errors import InputError, InvalidMessage, Reason

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
    event_id = made_id(draft, stamping, salt) if draft.id is None else draft.id
    event, value = stamped(draft, stamping, event_type=CHARGE_TYPE, at=draft.time, event_id=event_id)
    key = charge_key(decode_charge(value).data.org)
    return Event(draft.row, key, value, draft.time, event["source"], event["id"])
