"""From a draft of an outcome to the record that is sent: fields that the user set, shifted time, stable identity. Pure.

Laws
1. An outcome that says its id keeps it, whatever is set: a correction replaces it. Where time is moved, its id gets a
   suffix made of the shift, so that a shifted replay is other outcomes. One without gets an id of what it says.
2. What says its id, but neither a time nor a revision, is as new as the time that is set: a later scan replaces it.
3. What is returned passes the contract, and holds nothing that looks like a secret.
"""

from hashlib import blake2b

from msgspec.structs import replace

from producers.dialect import Draft
from producers.record_stamp import made_id, stamped
from producers.shift import shift_text
from producers.stamp import Event, Stamping, default_time
from schemas.errors import InputError, InvalidMessage, Reason
from schemas.outcomes import NOT_TEXT, OUTCOME_TYPE, OutcomeData, decode_outcome, in_order, outcome_key

TOPIC = "usage.outcomes"
_SETTABLE = tuple(name for name in OutcomeData.model_fields if name not in NOT_TEXT | {"import_id"})
_LONGEST_ID = 256


def check_outcome_set(name: str, value: str) -> None:
    """The field is a text of an outcome, or `time`; each row is judged with it. Raises: InputError: it is none."""
    if name == "time":
        if default_time({name: value}) is None:
            raise InputError(f"--set time={value}: write RFC 3339 with an offset, like 2026-11-22T09:00:00Z")
    elif name not in _SETTABLE:
        raise InputError(f"--set {name}={value}: an outcome has no such text; it has {', '.join(_SETTABLE)}")


def stamp_outcome(draft: Draft, stamping: Stamping, *, salt: bytes) -> Event:
    """The record of a draft; `salt` is the stamping's. Raises: InvalidMessage: Burnline would refuse it."""
    time = draft.time or default_time(stamping.sets)
    if time is None:
        said = "the row says no time; say it for all such rows with --set time=2026-11-22T09:00:00Z"
        raise InvalidMessage(Reason.MISSING_FIELD, "time", said)
    try:
        at = time + stamping.shift
    except OverflowError:
        raise InvalidMessage(Reason.OUT_OF_RANGE, "time", "the shift moves it out of the calendar") from None
    if draft.time is None and draft.id is not None and "revision" not in draft.data:
        draft = replace(draft, data={"revision": in_order(time), **draft.data})
    event_id = made_id(draft, stamping, salt) if draft.id is None else _own_id(draft.id, stamping)
    event, value = stamped(draft, stamping, event_type=OUTCOME_TYPE, at=at, event_id=event_id)
    key = outcome_key(decode_outcome(value).data.org)
    return Event(draft.row, key, value, at, event["source"], event["id"])


def _own_id(said: str, stamping: Stamping) -> str:
    if not stamping.shift:
        return said
    marked = f"{said}~{shift_text(stamping.shift)}"
    return marked if len(marked) <= _LONGEST_ID else blake2b(marked.encode("utf-8", "surrogatepass")).hexdigest()[:64]
