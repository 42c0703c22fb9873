"""The volume under the surface of range-aware precision and recall (VUS-PR), from its published definition. Pure.

Labels get shoulders of growing width, so that a detection just beside a window is nearly one; the area under precision
and recall is averaged over the widths. It knows no threshold, unlike NAB's score.
Source: Paparrizos et al., Volume Under the Surface (VLDB 2022), section 4.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_THRESHOLDS = 200
_WIDTHS = 10


def vus_pr(scores: Floats, windows: Sequence[tuple[int, int]], *, most_width: int) -> float:
    """From 0 to 1, for a series with at least one window (first row, last row), shoulders up to `most_width` rows.

    Raises: ValueError: there is no window.
    """
    if not windows:
        raise ValueError("a series without a window has no precision and recall")
    widths = np.unique(np.linspace(0, most_width, _WIDTHS).astype(int))
    places = np.unique(np.linspace(0, len(scores) - 1, _THRESHOLDS).astype(int))
    thresholds = np.unique(np.sort(scores)[places])[::-1]
    flagged = scores[None, :] >= thresholds[:, None]
    return float(np.mean([_area(flagged, windows, int(width)) for width in widths]))


def _area(flagged: npt.NDArray[np.bool_], windows: Sequence[tuple[int, int]], width: int) -> float:
    rows = flagged.shape[1]
    labels, core, touched = np.zeros(rows), 0, []
    for left, right in windows:
        first, last = max(left - width // 2, 0), min(right + width // 2, rows - 1)
        at = np.arange(first, last + 1)
        away = np.maximum(np.maximum(left - at, at - right), 0)
        shoulder = np.sqrt(1 - away / width) if width else np.ones(len(at))
        labels[first : last + 1] = np.maximum(labels[first : last + 1], shoulder)
        core += right - left + 1
        touched.append(flagged[:, first : last + 1].any(axis=1))
    hits = flagged @ labels
    recall = np.minimum(hits / ((core + labels.sum()) / 2), 1) * np.mean(touched, axis=0)
    precision = hits / np.maximum(flagged.sum(axis=1), 1)
    points = [(0.0, 1.0), *zip(recall.tolist(), precision.tolist(), strict=True)]
    return float(sum((to[0] - from_[0]) * to[1] for from_, to in pairwise(points)))
