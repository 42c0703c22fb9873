"""The tables of a policy file as policies; a mistake is a sentence: table, key, value and what is allowed."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from deploy.policy_files.never_meant import never_meant
from deploy.policy_files.shapes import WrongShapeError, duration, duration_sec, shaped, shown
from schemas.aliases import Alias
from schemas.directory import Agent, BusinessUnit, CostCenter, Credential, Identity, Team, User
from schemas.governance import GovernanceRule, RunRule
from schemas.policies import (
    SCOPE_KEYS,
    AnyPolicy,
    Budget,
    BudgetIncrease,
    Horizon,
    OnePolicy,
    PlannedEvent,
    RenewalRule,
    SharedCredentialRule,
    SpikeRule,
)
from schemas.prices import OVERRIDE_LEAVES, Discount, PriceCeiling, PriceOverride
from schemas.routes import Route
from schemas.secrets import holds_secret
from schemas.value_policies import Allowance, BusinessCase

Policies = tuple[OnePolicy, ...]
DIRECTORY: dict[str, type[BaseModel]] = {
    "cost_center": CostCenter,
    "business_unit": BusinessUnit,
    "team": Team,
    "user": User,
    "agent": Agent,
    "credential": Credential,
    "identity": Identity,
}
"""What a CSV file may hold, too."""
MODELS: dict[str, type[BaseModel]] = {
    "budget": Budget,
    "budget_increase": BudgetIncrease,
    "spike_rule": SpikeRule,
    "shared_credential_rule": SharedCredentialRule,
    "horizon": Horizon,
    "price_override": PriceOverride,
    "discount": Discount,
    "price_ceiling": PriceCeiling,
    "route": Route,
    "alias": Alias,
    "renewal_rule": RenewalRule,
    "planned": PlannedEvent,
    "business_case": BusinessCase,
    "allowance": Allowance,
    "run_rule": RunRule,
    "governance_rule": GovernanceRule,
    **DIRECTORY,
}
_DURATIONS = {"live_horizon": "live_horizon_sec", "escalate_after": "escalate_after_sec"}
_ADAPTER: TypeAdapter[OnePolicy] = TypeAdapter(AnyPolicy)


def words() -> str:
    """The tables that a file may have, as a person writes them."""
    return ", ".join(f"[[{name}]]" for name in MODELS)


def meant(word: str, allowed: Iterable[str]) -> str:
    """What to say after an unknown word: the nearest allowed one, then all of them."""
    choices = list(allowed)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.7)
    question = f'did you mean "{near[0]}"? ' if near else ""
    return f"{question}allowed are {', '.join(choices)}"


def policies_of(document: Mapping[str, object]) -> tuple[Policies, list[str]]:
    """The policies of a parsed file, and its mistakes; where there is a mistake the policies are not complete."""
    mistakes: list[str] = []
    found: list[Any] = []
    org = document.get("org")
    if org is not None and not isinstance(org, str):
        mistakes.append(f"org = {shown(org)}: write text in quotes")
        org = None
    for name, content in document.items():
        if name == "org":
            continue
        if name not in MODELS:
            mistakes.append(f'unknown table or key "{name}"; {meant(name, ("org", *MODELS))}')
            continue
        tables = content if isinstance(content, list) else [content]
        for index, table in enumerate(tables, start=1):
            if not isinstance(table, Mapping):
                mistakes.append(f"{name} = {shown(content)}: write a table, [[{name}]]")
                continue
            policy, wrong = policy_of(name, table, org)
            mistakes += [f"[[{name}]] {_label(table, index)}: {line}" for line in wrong]
            found += [policy] if policy is not None else []
    if not mistakes and not found:
        mistakes.append(f"holds no policy; write at least one of {words()}")
    return tuple(found), mistakes


def _label(table: Mapping[str, object], index: int) -> str:
    """How a person finds a table: by its id where that can be shown, else by its number among its kind."""
    name = table.get("id")
    fit = isinstance(name, str) and name.isprintable() and 0 < len(name) <= 40 and not holds_secret(name.encode())
    return shown(name) if fit else str(index)


def policy_of(kind: str, table: Mapping[str, object], org: str | None) -> tuple[Any, list[str]]:
    """One policy of this kind, or its mistakes; `org` is whose it is where the table does not say."""
    fields = MODELS[kind].model_fields
    allowed = [name for name in fields if name != "kind"]
    allowed += [short for short, field in _DURATIONS.items() if field in fields]
    values: dict[str, object] = {"kind": kind}
    if org is not None:
        values["org"] = org
    mistakes: list[str] = []
    for key, value in table.items():
        if key not in allowed:
            mistakes.append(f'unknown key "{key}"; {meant(key, allowed)}')
            continue
        field = _DURATIONS.get(key, key)
        if field in values and field != "org":
            mistakes.append(f"{' and '.join(_names(field))} say the same; write one of them")
        try:
            values[field] = duration_sec(value) if key in _DURATIONS else shaped(value, fields[field].annotation)
        except WrongShapeError as error:
            mistakes.append(f"{key} = {shown(value)}: {error}")
    mistakes += _unknown_names("scope", table.get("scope"), SCOPE_KEYS)
    mistakes += _unknown_names("usd_per_mtok", table.get("usd_per_mtok"), OVERRIDE_LEAVES)
    if mistakes:
        return None, mistakes
    try:
        policy = _ADAPTER.validate_python(values)
    except ValidationError as error:
        return None, [sentence(kind, table, found) for found in error.errors(include_url=False)]
    return policy, never_meant(policy)


def _names(field: str) -> list[str]:
    """A field and the keys that mean it."""
    return [*(short for short, long in _DURATIONS.items() if long == field), field]


def _unknown_names(key: str, table: object, allowed: Iterable[str]) -> list[str]:
    if not isinstance(table, Mapping):
        return []
    return [f'unknown key "{key}.{name}"; {meant(name, allowed)}' for name in table if name not in allowed]


def sentence(kind: str, table: Mapping[str, object], error: ErrorDetails) -> str:
    """pydantic's verdict in our words. Bounds stand in its context."""
    path = [str(part) for part in error["loc"] if part != kind]
    field, context = (path[0] if path else ""), error.get("ctx", {})
    key = next((short for short, long in _DURATIONS.items() if long == field and short in table), field)
    if error["type"] == "missing":
        return f"{key} is required"
    said = {
        "greater_than_equal": "must be at least {ge}",
        "greater_than": "must be more than {gt}",
        "less_than_equal": "must be at most {le}",
        "literal_error": "must be one of {expected}",
        "string_pattern_mismatch": "has a control character; names are plain text",
        "string_too_short": "must not be empty",
        "string_too_long": "must have at most {max_length} characters",
        "decimal_max_places": "must have at most {decimal_places} digits after the point",
        "decimal_max_digits": "must have at most {max_digits} digits",
        "value_error": "{error}",
    }.get(error["type"], error["msg"])
    bounds = {name: duration(int(value)) for name, value in context.items()} if key != field else context
    if not key:
        return said.format(**bounds)
    if isinstance(table.get(key), Mapping):
        return f"{'.'.join([key, *path[1:]])} = {shown(error['input'])}: {said.format(**bounds)}"
    return f"{key} = {shown(table.get(key, error['input']))}: {said.format(**bounds)}"
