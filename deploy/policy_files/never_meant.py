"""What a policy may say and nobody means: refused in files, though a log that holds it stays readable. Pure."""

from decimal import Decimal

from deploy.policy_files.shapes import shown
from schemas.money import plain
from schemas.policies import Budget, OnePolicy

LEAST_PERCENT = Decimal(10)
"""A threshold of ten times the limit is a percentage that was written as such."""


def never_meant(policy: OnePolicy) -> list[str]:
    """A sentence for each of them."""
    if not isinstance(policy, Budget):
        return []
    mistakes = []
    percents = [share for share in policy.thresholds if share >= LEAST_PERCENT]
    if percents:
        first = percents[0]
        mistakes.append(
            f"thresholds = {shown(list(policy.thresholds))}: {plain(first)} is {plain(first * 100)}% of the limit; "
            f"thresholds are shares of it, write {plain(first / 100)} for {plain(first)}%"
        )
    org = policy.scope.get("org", policy.org)
    if org != policy.org:
        mistakes.append(f"scope.org = {shown(org)}: a budget of {shown(policy.org)} never sees it; leave it out")
    return mistakes
