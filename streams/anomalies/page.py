"""What the detectors remember of each spender, as arrays: a fixed number of bytes, whatever was spent and how often.

Amounts are natural logs of USD in three minutes unless a name says otherwise. Unknown is NaN, no moment is 0.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

WINDOW_MIN = 3
VIEWS = 3
HOURS = 24
NEVER = np.float32(-40.0)  # the log of nothing


@dataclass(frozen=True, slots=True)
class Page:
    """Columns of `rows` spenders; a spender is a column of the two-dimensional ones.

    recent: USD of the three newest minutes, by minute modulo 3. fast, level: what is usual of late (about an hour, two
    days of activity), with scales of how far amounts stray. most, most_jump, most_beyond: the greatest amount, amount
    above `fast`, and amount above what was expected of the hour, sinking slowly; lately: the same of the newest
    minutes up to `seen_min`, the last one that was judged, by minute modulo 3, not yet in the records. hours: the usual
    amount by hour of the day; hour_*: of the hour that runs;
    block_margin: the greatest of the quarter of a day. opened_min: when the open episode began; hot_min: when it was
    last seen; said_*: when and at what it was told.
    leak, quiet: how much more than usual, and how much less, has piled up; most_*: the greatest that was nothing.
    duty: share of minutes with spending, by hour of the day. models, regions: which were seen, a bit each.
    gate_usd: from which excess over what is expected on anything is told, USD per hour; infinite: nothing is.
    """

    recent: F32
    fast: F32
    level: F32
    fast_scale: F32
    level_scale: F32
    most: F32
    most_jump: F32
    most_beyond: F32
    lately: F32
    hours: F32
    hour_log_sum: F32
    hour_logs: F32
    block_margin: F32
    active_minutes: I32
    opened_min: I32
    hot_min: I32
    said_min: I32
    said_spent: F32
    hour_usd: F32
    hours_usd_log: F32
    leak: F32
    leak_peak: F32
    most_leak: F32
    leak_since_min: I32
    leak_said_min: I32
    duty: F32
    quiet: F32
    most_quiet: F32
    silent_said_min: I32
    models: U64
    regions: U64
    stranger_usd: F32
    stranger_min: I32
    gate_usd: F32
    seen_min: I32

    def __len__(self) -> int:
        """How many spenders the page holds."""
        return len(self.fast)

    def bytes_per_row(self) -> int:
        """How much memory a spender takes."""
        return int(sum(getattr(self, field.name).nbytes for field in fields(self)) // max(len(self), 1))


_WIDE = {"recent": WINDOW_MIN, "lately": WINDOW_MIN * VIEWS, "hours": HOURS, "hours_usd_log": HOURS, "duty": HOURS}
_FRESH = dict.fromkeys(("lately", "most", "most_jump", "most_beyond"), float(NEVER))
_FRESH |= {"hours": float("nan"), "hours_usd_log": float("nan"), "fast_scale": 0.7, "level_scale": 0.7, "gate_usd": 5.0}
_DTYPES: dict[object, str] = {I32: "int32", U64: "uint64", F32: "float32"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A column: how many numbers a spender has in it (0 = one, without an axis of its own); what an unknown one has."""

    dtype: str
    width: int
    fresh: float


KINDS = {
    field.name: Kind(_DTYPES[field.type], _WIDE.get(field.name, 0), _FRESH.get(field.name, 0)) for field in fields(Page)
}


def new_page(rows: int) -> Page:
    """A page of so many spenders of whom nothing is known."""
    return Page(
        **{
            name: np.full((kind.width, rows) if kind.width else (rows,), kind.fresh, kind.dtype)
            for name, kind in KINDS.items()
        }
    )
