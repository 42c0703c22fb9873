"""From a draft of a record of our own to what is sent: fields that the user set, a stable identity. Pure.

What is returned holds nothing that looks like a secret; whether it passes its contract is for the caller to say.
"""

from datetime import datetime
from hashlib import blake2b
from typing import Any

from producers.dialect import Draft
from producers.stamp import Stamping, identity_of, sealed
from schemas.signals import rfc3339


def stamped(
    draft: Draft, stamping: Stamping, *, event_type: str, at: datetime, event_id: str
) -> tuple[dict[str, Any], bytes]:
    """The CloudEvent of a draft, and its JSON. Raises: InvalidMessage: it is no text."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": event_type,
        "source": draft.source if draft.source is not None else f"replay/{stamping.format}",
        "id": event_id,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "data": {
            **draft.data,
            **{name: value for name, value in stamping.sets.items() if name != "time"},
            "import_id": stamping.import_id,
        },
    }
    return sealed(event)


def made_id(draft: Draft, stamping: Stamping, salt: bytes) -> str:
    """The id of a record that says none: of what it says, `--set` and shift included."""
    made = blake2b(draft.content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return identity_of(Draft(draft.row, draft.content, draft.time, draft.data, draft.source, made), stamping, salt)
