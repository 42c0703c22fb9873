"""What a lane may say about the log's clock: never an earlier time than before, never a time that it has not earned.

Law: a tick may claim time T only if no record of the partition that was appended before T is unread. A lane earns the
append time of its previous tick when a look at the log's end, begun after the broker had acknowledged that tick, finds
nothing unread: what is appended later has a later append time.
Source: design.md 2.3.
"""


class LaneClock:
    """The log time of one lane, microseconds since 1970; 0 before it knows any."""

    def __init__(self, log_time_us: int) -> None:
        self.log_time_us = log_time_us
        self._previous_tick_us: int | None = None

    def advance(self, log_time_us: int) -> None:
        """A batch or tick was committed under this log time."""
        self.log_time_us = max(self.log_time_us, log_time_us)

    def tick_time_us(self) -> int:
        """The time that a tick claims now. Call it only after a look begun after `ticked` found nothing unread."""
        return max(self.log_time_us, self._previous_tick_us or 0)

    def ticked(self, append_time_us: int | None) -> None:
        """A tick was committed; the broker appended it then, or did not say when."""
        self._previous_tick_us = append_time_us
