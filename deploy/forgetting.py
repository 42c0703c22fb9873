"""Forgetting a user: what is asked of the sink, what came of it, and what is gone only with time."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from deploy.policy_log import Logged
from deploy.store_client import rows
from schemas.connection import ClickHouseSettings
from schemas.errors import InputError
from schemas.policies import Budget, OnePolicy, Policies
from schemas.requests import ForgetRequest
from schemas.topics import TOPICS

_PREFIX = "forgotten:"
_PSEUDONYM = re.compile(rf"{_PREFIX}[0-9a-f]{{16}}")
_PERIODS = (
    "SELECT count() AS named, max(v.period_end) AS ends FROM budget_states AS v"
    " WHERE v.org = {org:String} AND v.member = {user:String} AND has({budgets:Array(String)}, v.budget_id)"
)
_LIVE = timedelta(hours=49)
"""After its end a budget's period is said no more; `streams/burn/budgets.py`."""
_WINDOWS = timedelta(days=3, hours=2)
"""So long rates of a user may be said after their last call: the longest window and a cell."""


@dataclass(frozen=True)
class Leftovers:
    """What still names the user and is no table: policies to change by hand, and Kafka until `kafka_until`."""

    policies: tuple[str, ...]
    kafka_until: datetime
    again_after: datetime


def request_for(
    user: str, org: str, log: Iterable[Logged], *, dry_run: bool, pseudonym: str | None = None
) -> ForgetRequest:
    """What to ask of the sink; the pseudonym is a new one, unless it is that of an earlier time.

    Raises: InputError: the pseudonym is none of ours, or nobody is named: '' stands for whatever says no user.
    """
    for name, said in (("user", user), ("org", org)):
        if not said.strip():
            raise InputError(f"--{name} names nobody; write the id as it stands in the column {name}")
    if pseudonym is not None and not _PSEUDONYM.fullmatch(pseudonym):
        raise InputError(f"--as {pseudonym}: write what an earlier forget printed, {_PREFIX} and 16 hex digits")
    changes = [one.change for one in log]
    budgets = {
        policy.id
        for change in changes
        for policy in change.sets
        if isinstance(policy, Budget) and policy.org == org and policy.each == "user"
    }
    return ForgetRequest(
        request_id=uuid4().hex,
        org=org,
        user=user,
        pseudonym=pseudonym or f"{_PREFIX}{secrets.token_hex(8)}",
        budgets=tuple(sorted(budgets)),
        dry_run=dry_run,
    )


def period_end(settings: ClickHouseSettings, request: ForgetRequest) -> datetime | None:
    """When the last period ends of which a budget's state names the user as its member; None where none does.

    Raises: StoreUnavailableError, QueryError.
    """
    found = rows(settings, _PERIODS, {"org": request.org, "user": request.user, "budgets": list(request.budgets)})
    return None if not found or not found[0]["named"] else found[0]["ends"].replace(tzinfo=UTC)


def leftovers(user: str, org: str, policies: Policies, *, ends: datetime | None, now: datetime) -> Leftovers:
    """What is left; `ends`: when the last period ends for which a budget of each user has this one as a member."""
    named = sorted("/".join(key) for key, entry in policies.items() if key[1] == org and _names(entry.policy, user))
    kept = max(topic.retention_ms for topic in TOPICS if not topic.compacted)
    again = max(now + _WINDOWS, ends + _LIVE if ends is not None else now, now + _rolling(org, policies))
    return Leftovers(tuple(named), again + timedelta(milliseconds=kept), again)


def _rolling(org: str, policies: Policies) -> timedelta:
    """So long budgets over the last days may say states of a user after their last call."""
    budgets = (entry.policy for entry in policies.values() if isinstance(entry.policy, Budget))
    days = max((one.days or 0 for one in budgets if one.org == org and one.period == "rolling"), default=0)
    return timedelta(days=days) + _LIVE if days else timedelta()


def _names(policy: OnePolicy, user: str) -> bool:
    return user in _texts(policy.model_dump(mode="json"))


def _texts(value: object) -> set[str]:
    """Every string in a policy."""
    if isinstance(value, str):
        return {value}
    held: Iterable[object] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return set().union(*(_texts(one) for one in held))


def rows_by_table(run: Mapping[str, Any]) -> dict[str, int]:
    """What the sink counted. Raises: msgspec.MsgspecError: the run says something else."""
    return msgspec.json.decode(run["message"], type=dict[str, int])
