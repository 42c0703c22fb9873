"""What applying files changes: the one message that is sent, or none where everything is in force already."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from deploy.policy_files.tables import Policies, meant
from schemas.aliases import Aliases
from schemas.directory import DirectoryEntry, strays_of
from schemas.errors import PolicyError
from schemas.money import plain
from schemas.policies import Budget, BudgetIncrease, Key, OnePolicy, PolicyChange, key_of
from schemas.policies import Policies as InForcePolicies
from schemas.signals import rfc3339

MAX_CHANGE_BYTES = 7_000_000
"""A little less than the topic takes: some 40,000 entries of a directory."""
_MOST_SAID = 20


@dataclass(frozen=True)
class Author:
    """Who changes policies, when, and from which files; it stands in the change."""

    actor: str
    at: datetime
    files: tuple[str, ...]
    verified: bool = False


def change_between(
    in_force: InForcePolicies, wanted: Policies, removes: Sequence[Key], *, author: Author
) -> PolicyChange | None:
    """The change that brings `wanted` into force and takes `removes` out of it; None where that changes nothing.

    Raises: PolicyError: something is both set and removed, aliases go in a ring, an entry of the directory or an
        increase refers to what would not be there, or is a part of a token, or the change is too large for one message.
    """
    both = sorted({key_of(policy) for policy in wanted} & set(removes))
    if both:
        raise PolicyError(f"{'/'.join(both[0])} is both in a file and in --remove; choose one")
    removed = set(removes)
    after = {key: entry.policy for key, entry in in_force.items() if key not in removed}
    after |= {key_of(policy): policy for policy in wanted}
    _check_aliases(after.values())
    _check_directory(after.values())
    _check_increases(after.values())
    sets = tuple(policy for policy in wanted if (now := in_force.get(key_of(policy))) is None or now.policy != policy)
    gone = tuple(key for key in removes if key in in_force)
    if not sets and not gone:
        return None
    change = PolicyChange(
        change_id="",
        actor=author.actor,
        actor_verified=author.verified,
        at=rfc3339(author.at),
        files=author.files,
        sets=sets,
        removes=gone,
    )
    content = change.model_dump_json().encode()
    if len(content) > MAX_CHANGE_BYTES:
        raise PolicyError(
            f"the change has {len(content):,} bytes; at most {MAX_CHANGE_BYTES:,}: apply fewer files at once"
        )
    return change.model_copy(update={"change_id": blake2b(content, digest_size=16).hexdigest()})


def _check_aliases(after: Iterable[OnePolicy]) -> None:
    """No key takes over from itself. Raises: PolicyError: one does, perhaps by way of others."""
    rings = Aliases(after).rings()
    if rings:
        raise PolicyError(f"alias: {', '.join(f'{org}/{name}' for org, name in rings)} would take over from itself")


def _check_directory(after: Iterable[OnePolicy]) -> None:
    """Whatever an entry refers to is there. Raises: PolicyError: it is not; one line for each, some only counted."""
    mistakes = strays_of(entry for entry in after if isinstance(entry, DirectoryEntry))
    more = [f"and {len(mistakes) - _MOST_SAID:,} more like these"] if len(mistakes) > _MOST_SAID else []
    if mistakes:
        raise PolicyError("\n".join([*mistakes[:_MOST_SAID], *more]))


def _check_increases(after: Collection[OnePolicy]) -> None:
    """Each increase is of a budget that is there, in what it counts. Raises: PolicyError: one is not."""
    budgets = {(policy.org, policy.id): policy for policy in after if isinstance(policy, Budget)}
    for policy in after:
        if not isinstance(policy, BudgetIncrease):
            continue
        budget = budgets.get((policy.org, policy.budget))
        if budget is None:
            ids = sorted(name for org, name in budgets if org == policy.org)
            known = meant(policy.budget, ids) if ids else f"{policy.org} has no budget"
            raise PolicyError(f'[[budget_increase]] "{policy.id}": there is no budget "{policy.budget}"; {known}')
        if policy.member is not None and budget.each is None:
            raise PolicyError(
                f'[[budget_increase]] "{policy.id}": budget "{budget.id}" is for no members; leave member out'
            )
        if budget.unit != "usd" and policy.amount != policy.amount.to_integral_value():
            raise PolicyError(
                f'[[budget_increase]] "{policy.id}": amount = {plain(policy.amount)} of {budget.unit}: '
                "write a whole number"
            )


def key_from(text: str, in_force: InForcePolicies) -> Key:
    """The key that a user wrote as KIND/ORG/ID. Raises: PolicyError: nothing of that name is in force."""
    names = {"/".join(key): key for key in in_force}
    if text not in names:
        known = meant(text, sorted(names)) if names else "nothing is in force"
        raise PolicyError(f"--remove {text}: no such policy is in force; {known}")
    return names[text]
