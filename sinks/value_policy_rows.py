"""Rows of `value_policies_store`: what each change of policies says of business cases, allowances, commitments. Pure.

Laws
1. A policy has one row by its key (organisation, kind, id); of several the one of the highest policy offset counts, and
   one that was taken out of force is deleted. So storing a change twice changes nothing.
2. A budget with `commitment = true` is a commitment under the budget's id; one without is none any more.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from schemas.policies import Budget, Key, PolicyChange, key_of
from schemas.value_policies import VALUE_KINDS, ValuePolicy

VALUE_POLICIES_TABLE = "value_policies_store"
_NAMES = ("use_case", "team", "owner", "metric")
_AMOUNTS = (
    "cost_usd_per_month", "value_usd_per_month", "minutes_per_month", "baseline", "target", "usd_per_month",
)  # fmt: skip
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("org", "kind", "policy_id", *_NAMES)),
        ("starts", pa.date32()),
        ("ends", pa.date32()),
        *((name, pa.decimal128(38, 12)) for name in _AMOUNTS),
        ("policy_offset", pa.uint64()),
        ("is_deleted", pa.uint8()),
    ]
)


def value_policy_rows(changes: Iterable[tuple[int, PolicyChange]]) -> pa.Table:
    """The rows of some changes, each with its policy offset; none where they say nothing of value."""
    rows: list[dict[str, Any]] = []
    for offset, change in changes:
        rows += [_row(key, offset, None) for key in change.removes if key[0] in VALUE_KINDS]
        rows += [_row(key_of(one), offset, one) for one in change.sets if isinstance(one, ValuePolicy)]
        budgets = {key_of(one): one for one in change.sets if isinstance(one, Budget)}
        gone = {key: None for key in change.removes if key[0] == "budget"}
        rows += [_commitment(key, offset, budget) for key, budget in (gone | budgets).items()]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _commitment(key: Key, offset: int, budget: Budget | None) -> dict[str, Any]:
    """The row of a budget as a commitment; None: it was taken out of force."""
    row = _row(("commitment", *key[1:]), offset, None)
    if budget is None or not budget.commitment:
        return row
    said = {"team": budget.scope.get("team", ""), "owner": budget.owner or "", "starts": budget.starts}
    return row | said | {"ends": budget.ends, "is_deleted": 0}


def _row(key: Key, offset: int, policy: ValuePolicy | None) -> dict[str, Any]:
    """The row of a policy; None: it was taken out of force."""
    kind, org, policy_id = key
    return {
        "org": org,
        "kind": kind,
        "policy_id": policy_id,
        **{name: getattr(policy, name, None) or "" for name in _NAMES},
        "starts": None if policy is None else policy.starts,
        "ends": None if policy is None else policy.ends,
        **{name: getattr(policy, name, None) for name in _AMOUNTS},
        "policy_offset": offset,
        "is_deleted": int(policy is None),
    }
