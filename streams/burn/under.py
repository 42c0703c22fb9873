"""What the rows of a message are judged under."""

from dataclasses import dataclass

from streams.burn.in_force import InForceHere


@dataclass(frozen=True, slots=True)
class Under:
    """What a batch is judged under: the policies now, the policy offset that rated it, up to where periods are over.

    `opened`: budgets whose `matched_since` is up to here are judged. `now_us`: the clock of increases.
    """

    policies: InForceHere
    rated_under: int
    closed_us: int
    opened: int
    now_us: int
