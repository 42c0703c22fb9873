"""The leaves of one side of many events, completed at once: `schemas.usage.complete_side` in columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.rating.groups import Ints


@dataclass(frozen=True)
class Tokens:
    """One side: what is counted, -1 everywhere in a row whose side is missing.

    `agree` is false where leaves and total contradict each other; such a row's numbers mean nothing.
    """

    total: Ints
    leaves: npt.NDArray[np.int64]  # one row per leaf
    agree: npt.NDArray[np.bool_]

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which rows say nothing of this side."""
        return self.total < 0


def complete_tokens(total: Ints, leaves: Sequence[Ints]) -> Tokens:
    """The side as it is counted, from what was sent; -1 is missing."""
    counts = np.maximum(leaves, 0) if len(total) else np.zeros((len(leaves), 0), np.int64)
    known = counts.sum(axis=0)
    silent = total < 0
    nothing = silent & (np.max(leaves, axis=0, initial=-1) < 0)
    total = np.where(silent, known, total)
    rest = total - known
    open_first = leaves[0] < 0
    agree = np.where(open_first, rest >= 0, rest == 0)
    counts[0] = np.where(open_first, rest, counts[0])
    counts[:, nothing] = -1
    return Tokens(np.where(nothing, -1, total), counts, agree)
