"""A usage event as bytes, checked by the same rules by which Burnline reads it. Pure: no clock, no network.

Laws
1. What `usage_event` returns, Burnline counts; what Burnline would refuse raises here.
2. Leaves are disjoint; a total is the sum of its leaves. Only `input_uncached_tokens` and `output_text_tokens` may be
   left to what the others leave of the total.
3. A field that is not known is an error here (a slip of the pen), though Burnline would keep it as a tag.
Source: CloudEvents 1.0, structured mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any

import msgspec

from burnline_client.errors import InvalidUsageError
from burnline_client.fields import INPUT_LEAVES, KNOWN, OUTPUT_LEAVES, REQUIRED, Name, UsageFields

USAGE_TYPE = "burnline.usage.v1"
MAX_EVENT_BYTES = 1_048_576
EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
_TOTALS = (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES))


class _Identity(msgspec.Struct):
    source: Name
    id: Name
    time: Annotated[datetime, msgspec.Meta(tz=True)]


def usage_event(*, source: str, id: str, time: datetime, fields: Mapping[str, Any]) -> bytes:  # noqa: A002  CloudEvents calls it so
    """The event as JSON, with the time in UTC to the microsecond. Fields that are None are left out.

    Raises: InvalidUsageError: a field is unknown, missing, of the wrong type, out of its bounds, or tokens disagree.
    """
    said = {name: value for name, value in fields.items() if value is not None}
    unknown = said.keys() - KNOWN
    if unknown:
        raise InvalidUsageError(f"{', '.join(sorted(unknown))}: no such field; put labels of your own into tags")
    missing = [name for name in REQUIRED if name not in said]
    if missing:
        raise InvalidUsageError(f"{', '.join(missing)}: required; give it in the call or in the emitter's defaults")
    try:
        identity = msgspec.convert({"source": source, "id": id, "time": time}, _Identity)
        data: Any = msgspec.convert(said, UsageFields)
        raw = msgspec.json.encode(
            {
                "specversion": "1.0",
                "type": USAGE_TYPE,
                "source": identity.source,
                "id": identity.id,
                "time": _rfc3339(identity.time),
                "datacontenttype": "application/json",
                "data": data,
            }
        )
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
        raise InvalidUsageError(str(error)) from error
    if data.get("void") and data.get("revision", 1) == 1:
        raise InvalidUsageError("void is said by a revision of 2 or more: a first one has nothing to take back")
    for total_name, leaf_names in _TOTALS:
        _check_side(data, total_name, leaf_names)
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidUsageError(f"the event has {len(raw)} bytes; at most {MAX_EVENT_BYTES} are read")
    return raw


def _rfc3339(at: datetime) -> str:
    if at < EARLIEST:
        raise InvalidUsageError(f"time {at.isoformat()}: must be 2000-01-01T00:00:00Z or later")
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check_side(data: Mapping[str, Any], total_name: str, leaf_names: tuple[str, ...]) -> None:
    total = data.get(total_name)
    if total is None:
        return
    known = sum(data.get(name, 0) for name in leaf_names)
    rest = total - known
    if rest < 0 or (rest > 0 and leaf_names[0] in data):
        raise InvalidUsageError(
            f"{total_name} is {total} but its leaves add up to {known}; leaves are disjoint and must equal the total"
        )


def event_key(fields: Mapping[str, Any]) -> str:
    """The record key: the credential, else the team, else the org, so that what belongs together stays in order."""
    return str(fields.get("credential") or fields.get("team") or fields["org"])
