"""An event's cost over its parts, exactly: what each token class, unit and call of it cost. Pure.

Laws
1. The shares add up to the cost to the last pico-USD, whatever the weights are; no share is negative.
2. Where the weights themselves add up to the cost, each share is its weight: the price of the part.
"""

from collections.abc import Mapping, Sequence


def shares(cost_pico_usd: int, weights: Sequence[int]) -> list[int]:
    """The cost in shares as the weights are to each other; what rounding leaves goes to the largest remainders.

    Weights are not negative; where all are zero the first takes all. Empty without weights.
    """
    total = sum(weights)
    if not weights or total == cost_pico_usd:
        return list(weights)
    if total == 0:
        return [cost_pico_usd, *([0] * (len(weights) - 1))]
    found, remainders = map(list, zip(*(divmod(cost_pico_usd * weight, total) for weight in weights), strict=True))
    by_remainder = sorted(range(len(weights)), key=lambda at: -remainders[at])
    for at in by_remainder[: cost_pico_usd - sum(found)]:
        found[at] += 1
    return found


def weights_of(parts: Mapping[str, int | None], counts: Mapping[str, int]) -> tuple[list[int], bool]:
    """(the weight of each part of `counts`, whether these are prices): costs where all are known, else how many."""
    costs = [parts.get(name) for name in counts]
    if all(cost is not None for cost in costs):
        return [cost or 0 for cost in costs], True
    return list(counts.values()), False
