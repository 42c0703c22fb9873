"""Amounts with weights, standing for a distribution: its quantiles and the share at or above an amount. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.forecast.history import Amounts


@dataclass(frozen=True, slots=True)
class Samples:
    """Amounts in any order and their weights, not all zero."""

    amounts: Amounts
    weights: Amounts

    def quantiles(self, shares: Sequence[float]) -> Amounts:
        """The least amount that has at least this share of the weight at or below it; ascending with the shares."""
        order = np.argsort(self.amounts, kind="stable")
        reached = np.cumsum(self.weights[order])
        places = np.searchsorted(reached, np.asarray(shares) * reached[-1] * (1 - 1e-12), side="left")
        found: Amounts = self.amounts[order][np.minimum(places, len(order) - 1)]
        return found

    def share_from(self, amount: float) -> float:
        """The share of the weight at or above the amount; never above one, however sums of floats round."""
        return min(1.0, float(self.weights[self.amounts >= amount].sum() / self.weights.sum()))

    def __add__(self, other: "Samples") -> "Samples":
        """Both together, each with its own weight."""
        both = np.concatenate([self.amounts, other.amounts]), np.concatenate([self.weights, other.weights])
        return Samples(*both)
