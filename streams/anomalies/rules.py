"""What counts as an anomaly of spending: one setting for all spenders."""

from dataclasses import dataclass

MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Gates, patience and memory of the detectors; times in minutes, money in USD.

    false_alerts_per_day: of all spenders of an organisation; the tail of what is usual is fitted to it.
    steady_duty: from this share of active minutes on a spender is steady enough to leak or to fall silent.
    forgets_per_active_day: by how much (as a log) a record sinks in a day of activity; an idle day forgets nothing.
    least_peers: so many must have spent in so many minutes (least_peer_minutes) to judge a newcomer by them;
    newcomer_chance: how rarely they spend what it is told at.
    normal_after_min: what lasted so long is the new normal; until then nothing is learnt from it.
    """

    false_alerts_per_day: float = 5.0
    least_excess_usd_per_hour: float = 5.0
    least_times_usual: float = 2.5
    least_active_minutes: int = 200
    least_peers: int = 5
    least_peer_minutes: int = 60
    newcomer_chance: float = 0.005
    cool_down_min: int = 60
    calm_after_min: int = 15
    normal_after_min: int = 12 * 60
    forgets_per_active_day: float = 1.0
    least_margin: float = 0.3
    most_margin: float = 5.0
    steady_duty: float = 0.5
    leak_least: float = 6.0
    leak_to_record: float = 1.25
    silence_least: float = 30.0
    silence_to_record: float = 3.0
    stranger_least_usd: float = 0.25
