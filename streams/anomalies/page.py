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
    minutes, not yet in the records. hours: the usual amount by hour of the day; hour_*: of the hour that runs;
    block_margin: the greatest of the quarter of a day. opened_min: when the open episode began; hot_min: when it was
    last seen; said_*: when and at what it was told.
    leak, quiet: how much more than usual, and how much less, has piled up; most_*: the greatest that was nothing.
    duty: share of minutes with spending, by hour of the day. models, regions: which were seen, a bit each.
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

    def __len__(self) -> int:
        """How many spenders the page holds."""
        return len(self.fast)

    def bytes_per_row(self) -> int:
        """How much memory a spender takes."""
        return int(sum(getattr(self, field.name).nbytes for field in fields(self)) // max(len(self), 1))


_WIDE = {"recent": WINDOW_MIN, "lately": WINDOW_MIN * VIEWS, "hours": HOURS, "hours_usd_log": HOURS, "duty": HOURS}
_UNKNOWN = {"hours", "hours_usd_log"}
_FIRST_SCALE = 0.7
_NONE_YET = {"lately", "most", "most_jump", "most_beyond"}


def new_page(rows: int) -> Page:
    """A page of so many spenders of whom nothing is known."""
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for field in fields(Page):
        kind = np.int32 if field.type == I32 else np.uint64 if field.type == U64 else np.float32
        shape = (_WIDE[field.name], rows) if field.name in _WIDE else (rows,)
        fill = np.nan if field.name in _UNKNOWN else NEVER if field.name in _NONE_YET else 0
        columns[field.name] = np.full(shape, fill, kind)
    columns["fast_scale"][:] = columns["level_scale"][:] = _FIRST_SCALE
    return Page(**columns)  # type: ignore[arg-type]  # each column has the type of its field
