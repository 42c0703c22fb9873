"""From the body of a request to records of `usage.events`: each event is judged alone. Pure.

Laws
1. Every event of a body is one Event or one Refused, or passed over (what sums up calls that are counted elsewhere).
2. Who the token is wins (`grants.py`): org and credential, and team where the token has one. What an event claims
   otherwise is kept in `asserted`. A relay's events name their own credentials.
3. An event's source begins with its token's org and credential, so that nobody replaces another's event. The same event
   under the same token has the same identity, however often it is sent, and after its token was renewed.
4. What looks like a secret is taken out; a key that is sent as its own id becomes one (`schemas/credentials.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from producers.collector.grants import Grant
from producers.dialect import Draft, Row
from producers.stamp import Event, sealed
from schemas.credentials import Pepper, without_key
from schemas.errors import InvalidMessage, Reason
from schemas.keys import event_key
from schemas.signals import rfc3339
from schemas.usage import USAGE_TYPE
from schemas.usage_codec import decode

FUTURE = timedelta(minutes=5)
PASSED_OVER = frozenset({"sum_of_calls", "read_back"})
"""Reasons of rows that are right and not counted, for what they tell of is counted elsewhere."""
_MAX_SOURCE = 256


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that is not taken; `index` is its place in the body, from 0."""

    index: int
    id: str | None
    reason: str
    message: str


@dataclass(kw_only=True)
class Judged:
    """What became of the events of a body."""

    events: list[Event] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    passed_over: int = 0


def judge(
    rows: Iterable[Row], grant: Grant, *, now: datetime, default_source: str, pepper: Pepper | None = None
) -> Judged:
    """Every row judged; `default_source` is that of formats whose events name none.

    `pepper`: a relay's event that names a key itself as its credential counts under the key's id.
    """
    judged = Judged()
    for index, row in enumerate(rows):
        if not isinstance(row, Draft):
            if row.reason in PASSED_OVER:
                judged.passed_over += 1
            else:
                judged.refused.append(Refused(index, None, str(row.reason), row.message))
            continue
        try:
            judged.events.append(event_of(row, grant, now=now, default_source=default_source, pepper=pepper))
        except InvalidMessage as verdict:
            judged.refused.append(Refused(index, row.id, str(verdict.reason), verdict.message))
    return judged


def event_of(draft: Draft, grant: Grant, *, now: datetime, default_source: str, pepper: Pepper | None = None) -> Event:
    """The event of a draft, by whom its token is.

    Raises: InvalidMessage: Burnline would refuse it, for its reason.
    """
    if draft.time is None:
        raise InvalidMessage(Reason.MISSING_FIELD, "time", "the event says no time")
    if draft.time > now + FUTURE:
        raise InvalidMessage(Reason.IN_THE_FUTURE, "time", f"its time {draft.time.isoformat()} is in the future")
    source = source_of(draft.source or default_source, grant)
    own = draft.id or blake2b(draft.content.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": USAGE_TYPE,
        "source": source,
        "id": own,
        "time": rfc3339(draft.time),
        "datacontenttype": "application/json",
        "data": _without_keys(granted(draft.data, grant), pepper),
    }
    if draft.subject is not None:
        event["subject"] = draft.subject
    event, value = sealed(event)
    data = decode(value).data
    key = event_key(org=data.org, team=data.team, credential=data.credential)
    return Event(draft.row, key, value, draft.time, event["source"], event["id"])


def _without_keys(data: dict[str, Any], pepper: Pepper | None) -> dict[str, Any]:
    """The data, its credential an id, whatever was sent as one."""
    credential = data.get("credential")
    if not isinstance(credential, str):
        return data
    return {**data, "credential": without_key(credential, pepper)}


def source_of(said: str, grant: Grant) -> str:
    """`<org>/<credential>/<what the event said>`; what does not fit becomes a hash."""
    prefix = "".join(f"{name.replace('%', '%25').replace('/', '%2F')}/" for name in (grant.org, grant.credential))
    if len(prefix) + len(said) <= _MAX_SOURCE:
        return prefix + said
    digest = blake2b((prefix + said).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{prefix[: _MAX_SOURCE - len(digest)]}{digest}"


def granted(data: dict[str, Any], grant: Grant) -> dict[str, Any]:
    """The fields of an event with those that its token fixes; what it claimed otherwise is in `asserted`."""
    fixed: dict[str, Any] = {"org": grant.org}
    if not grant.relay or not data.get("credential"):
        fixed["credential"] = grant.credential
    if grant.team is not None:
        fixed["team"] = grant.team
    claims = {
        name: data[name] for name, held in fixed.items() if isinstance(data.get(name), str) and data[name] != held
    }
    fields = {**data, **fixed}
    if not grant.relay:
        fields["auth_type"] = "api_key"
        fields["identity_trust"] = "asserted" if data.get("user") else "authenticated"
    if claims:
        told = data.get("asserted")
        fields["asserted"] = {**(told if isinstance(told, dict) else {}), **claims}
    return fields
