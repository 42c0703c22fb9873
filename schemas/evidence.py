"""What the evidence of each rule's alerts says, beside what every alert has (`value`, `threshold`, `opened_at`).

A field stands where it makes sense and nowhere else: a list of approved models expects nothing, and only a rule that
knows how such numbers are spread has a chance. A kind of alert without an entry here fails a test.
"""

from collections.abc import Mapping

MEANING: Mapping[str, str] = {
    "expected": "what is usual, in the unit of `value`",
    "score": "how far it is from that; of runs and peers how many times as much",
    "fires_at": "the score from which on it is told",
    "chance": "how likely as much or more is, where nothing is wrong (a p-value)",
    "since": "since when, RFC 3339",
    "until": "until when was looked at, where that is not the moment of the alert",
    "window_sec": "the time that was looked at, in seconds",
    "by_team": "of which teams it is, the three with most and their shares",
    "by_agent": "of which agents, likewise",
    "by_model": "of which models, likewise",
    "rose_too": "which teams, agents, ... spent more in the same hour",
    "planned": "who announced it says so",
}
"""Names that mean the same in every rule. Shares are of calls, or of the cost where `value` is one; never people."""

_DETECTED = ("expected", "score", "fires_at", "since", "window_sec")
_SEEN = ("since", "calls", "cost_usd", "by_team", "by_agent", "by_model")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "spike": _DETECTED,
    "leak": _DETECTED,
    "silence": _DETECTED,
    "runaway": ("since", "window_sec", "calls", "repeats", "different", "of_last", "by_agent", "by_model"),
    "dear_run": ("expected", "score", "fires_at", "chance", "since", "calls", "template", "by_agent", "by_model"),
    "stolen_key": (
        "since", "window_sec", "calls", "cost_usd", "active_min", "known_models", "known_regions", "by_team",
        "by_agent",
    ),
    "throttled": ("since", "window_sec", "calls", "refused", "crowding", "crowding_share", "crowded", "crowded_share"),
    "first_seen": (*_SEEN, "learnt_days"),
    "unapproved": _SEEN,
    "unregistered": _SEEN,
    "sovereignty": _SEEN,
    "claimed_identity": _SEEN,
    "shared_at_once": (*_SEEN, "window_sec", "minutes_at_once", "places"),
    "ownership": ("since", "window_sec", "spent_usd", "owned_share", "by_agent", "by_model"),
    "unpriced_share": ("since", "window_sec", "calls", "unpriced_share", "by_team", "by_agent", "by_model"),
    "shared_credential": ("window_sec", "distinct_users", "distinct_addresses"),
    "uncapped": ("window_sec", "budgeted"),
    "unpriced_model": ("requests", "ceiling_usd"),
    "heartbeat_missing": ("waited_sec",),
    "peer": ("expected", "score", "fires_at", "since", "window_sec", "peers", "peer_group"),
}  # fmt: skip
"""By rule of `alerts.anomalies` and `alerts.governance`, and of people's peers. `by_` where the calls name any, but not
of what the alert is about; what a cold detector or a median of nothing cannot say is left out, never made up. Where no
call has a known price there is no `cost_usd`; `unpriced_calls` says how many have none, where any."""
