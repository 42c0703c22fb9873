"""A stolen key: a spender suddenly uses a model and a region that it never used, both at once. Pure.

Laws
1. A new model in a known region is a migration, a known model in a new region a failover: both are learnt at once.
2. What is strange on both sides is not learnt before it was told; then it is.
3. Names are codes from 0 to 63 (a hash of the name is): two names with one code are one, so a theft may be missed in
   one of 64 cases, but nothing is flagged for it.
4. Nobody is judged before `least_active_minutes` are known, and nothing is told below a least amount.
"""

import numpy as np
import numpy.typing as npt

from streams.anomalies.flags import Flag
from streams.anomalies.page import F32, U64, Page, Rows
from streams.anomalies.rules import Rules

_WINDOW_MIN = 10


def add_minute(  # noqa: PLR0913, PLR0917  columns of one table
    page: Page, rows: Rows, models: U64, regions: U64, usd: F32, rules: Rules, *, at_min: int
) -> list[Flag]:
    """The minute's spending by row, model and region is known; flags of rows with enough of what is strange."""
    one = np.uint64(1)
    model_bits, region_bits = one << models, one << regions
    judged = page.active_minutes[rows] >= rules.least_active_minutes
    strange = ((page.models[rows] & model_bits) == 0) & ((page.regions[rows] & region_bits) == 0)
    strange &= judged & (page.models[rows] != 0)
    _learn(page, rows[~strange], model_bits[~strange], region_bits[~strange])
    touched = np.unique(rows[strange])
    old = at_min - page.stranger_min[touched] >= _WINDOW_MIN
    page.stranger_usd[touched[old]] = 0
    page.stranger_min[touched[old]] = at_min
    np.add.at(page.stranger_usd, rows[strange], usd[strange])
    found = touched[page.stranger_usd[touched] >= rules.stranger_least_usd]
    told: npt.NDArray[np.bool_] = np.isin(rows, found) & strange
    flags = [
        Flag(
            kind="stranger", row=row, at_min=at_min, since_min=int(page.stranger_min[row]), window_min=_WINDOW_MIN,
            observed_usd_per_hour=float(page.stranger_usd[row]) * 60 / _WINDOW_MIN, expected_usd_per_hour=0.0,
            score=float(page.stranger_usd[row]), threshold=rules.stranger_least_usd, p_value=None,
        )
        for row in found.tolist()
    ]  # fmt: skip
    page.stranger_usd[found] = 0
    _learn(page, rows[told], model_bits[told], region_bits[told])
    return flags


def _learn(page: Page, rows: Rows, model_bits: U64, region_bits: U64) -> None:
    np.bitwise_or.at(page.models, rows, model_bits)
    np.bitwise_or.at(page.regions, rows, region_bits)
