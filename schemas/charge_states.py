"""What rating keeps of charges in `internal.charges`, for itself and the sink: the newest record of each key counts.

Records are JSON with `type` and `data`, as signals are: charges as they stand, renewals that are open, and the lane's
word: up to when it has debited them, under which policies.
"""

import msgspec

KEPT_TYPE = "burnline.kept_charge"
RENEWAL_TYPE = "burnline.kept_renewal"
WORD_TYPE = "burnline.charges_word"
WORD_KEY = b"lane"


class KeptCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as it stands: its highest revision. `time` is that of its first revision, RFC 3339 as it was sent."""

    charge_id: str  # 32 hex digits of BLAKE2b-128 over org, NUL, source, NUL, id
    source: str
    id: str
    time: str
    received_us: int  # append time of this revision's record, microseconds since 1970
    content: str  # 16 hex digits: two messages of one revision are copies if these are equal
    data: msgspec.Raw  # ChargeData as JSON


class ChargesWord(msgspec.Struct, frozen=True, kw_only=True):
    """Where a lane of charges stands: every day that had begun by `log_time_us` is debited, under these policies."""

    log_time_us: int
    policy_offset: int


class _Record(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw


def record_bytes(kind: str, data: object) -> bytes:
    """The value of a record of `internal.charges`."""
    return msgspec.json.encode({"type": kind, "data": data})


def record_from_bytes(raw: bytes) -> tuple[str, bytes]:
    """(its type, its data as JSON). Raises: msgspec.MsgspecError: it is none."""
    record = msgspec.json.decode(raw, type=_Record)
    return record.type, bytes(record.data)


def kept_from_bytes(data: bytes) -> KeptCharge:
    """The charge in the data of a record. Raises: msgspec.MsgspecError: it is none."""
    return msgspec.json.decode(data, type=KeptCharge)


def word_from_bytes(data: bytes) -> ChargesWord:
    """The lane's word in the data of a record. Raises: msgspec.MsgspecError: it is none."""
    return msgspec.json.decode(data, type=ChargesWord)
