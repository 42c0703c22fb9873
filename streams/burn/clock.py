"""The log is the clock: each lane's log time, their minimum (floor) and maximum (lead). No other clock exists here.

Laws
1. A lane's time never goes back; a lower time is ignored.
2. floor is unknown until every lane was heard; nothing resolves before.
3. floor <= lead, and neither ever falls.
"""

import msgspec


class Clock(msgspec.Struct):
    """What the log has said about time; microseconds since 1970."""

    lanes: int = 0  # how many lanes there are in all, as the newest batch says
    times_us: dict[str, int] = msgspec.field(default_factory=dict)
    lead_us: int = 0  # 0 before the first batch
    floor_us: int | None = None  # None while a lane is unheard

    def hear(self, lane: str, *, lanes: int, log_time_us: int) -> None:
        """The lane has reached a log time; floor and lead follow."""
        self.lanes = max(self.lanes, lanes)
        before_us = self.times_us.get(lane)
        if before_us is None or log_time_us > before_us:
            self.times_us[lane] = log_time_us
        self.lead_us = max(self.lead_us, log_time_us)
        if len(self.times_us) >= self.lanes:
            lowest_us = min(self.times_us.values())
            self.floor_us = lowest_us if self.floor_us is None else max(self.floor_us, lowest_us)

    def closed_us(self) -> int:
        """Up to where periods count as over for old events: the floor, or the lead while that is unknown."""
        return self.lead_us if self.floor_us is None else self.floor_us
