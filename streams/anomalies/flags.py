"""What a detector says of a spender: enough for a person to judge it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["spike", "leak", "silence", "stranger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An anomaly of one row at one minute.

    observed, expected: USD per hour within `window_min`. score: as its detector means it, fires at `threshold`.
    p_value: the chance of as much in a quarter of a spender's day; None where no tail is known (all but spikes).
    peers: how many others a spike is held against, of one who is too new to have a past; 0: its own past.
    since_min: when it began, as far as the detector can tell.
    """

    kind: Kind
    row: int
    at_min: int
    since_min: int
    window_min: int
    observed_usd_per_hour: float
    expected_usd_per_hour: float
    score: float
    threshold: float
    p_value: float | None
    peers: int = 0
