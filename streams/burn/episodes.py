"""Alert episodes: from firing to resolved, with an identity that a replay makes again and nothing else does.

Laws
1. At most one episode is open per (rule, org, subject, member, period start, level).
2. `seq` counts an episode's transitions from 1; firing again after a resolve opens a new episode with a new id.
3. What was said on estimates is said again, as the next transition of its episode, once it is actual, and a burn rate
   or a spike once it is more severe; never back. If that notifies, it is news: acknowledged by nobody, and its first
   owner's. If it is quiet, who has the episode keeps it, and whoever heard that it began hears that it is over.
4. An edit of a limit keeps an open episode whose threshold still holds; the end of its period, its rule's silence, a
   higher limit or the budget's removal resolves it, and the alert says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec

from schemas.periods import micros
from schemas.signals import Alert, Why, rfc3339
from streams.burn.burn_rules import SEVERITIES

EpisodeKey = tuple[str, str, str, str, str, str]
"""rule, org, subject (budget id, or entity type/id), member, period start, level; '' where there is none."""

IN_WORDS: Mapping[Why, str] = {
    "period_over": "its period is over",
    "calmed_down": "back to normal",
    "late_events": "late events have changed it",
    "limit_changed": "its limit was changed",
    "limit_reached": "its limit is reached",
    "budget_changed": "the budget was opened anew",
    "budget_removed": "the budget was removed",
    "budget_added": "a budget covers it",
}

OF_PEOPLE = ("acknowledged_by", "escalated")
"""What the evidence says of whom an episode is with."""

OUTLASTING = frozenset({"commitment"})
"""Rules that judge a period when it is over: its end resolves nothing of theirs."""


class Episode(msgspec.Struct):
    """An open episode: the alert as it was last said, and what its rule counts while it clears."""

    alert: Alert
    quiet_rounds: int = 0
    quiet_since_us: int = 0  # 0 = not quiet
    escalated: int = 0  # to how many owners after the first, since it was last told
    said: str = ""  # the message before anybody acknowledged or escalated it; '' = as it is
    told_us: int = 0  # log time since which somebody may acknowledge it; 0 = since it opened


@dataclass(frozen=True, slots=True)
class EpisodeBytes:
    """An open episode as it is written in a checkpoint."""

    key: EpisodeKey
    alert_json: str
    quiet_rounds: int
    quiet_since_us: int
    escalated: int = 0
    said: str = ""
    told_us: int = 0


def key_of(alert: Alert) -> EpisodeKey:
    """Which episode an alert belongs to."""
    subject = alert.budget_id if alert.budget_id is not None else f"{alert.entity_type}/{alert.entity_id}"
    start = "" if alert.period_start is None else rfc3339(alert.period_start)
    return (alert.rule, alert.org, subject, alert.member or "", start, alert.level)


def is_more_urgent(held: Alert, draft: Alert) -> bool:
    """Whether a burn rate or a spike is said once more in its episode, because it is more severe now."""
    return draft.rule in {"burn_rate", "spike"} and SEVERITIES.index(draft.severity) > SEVERITIES.index(held.severity)


def alert_id_of(key: EpisodeKey, *, mode: str, opened_at: datetime) -> str:
    """The name of an episode: 32 hex digits of BLAKE2b over everything that tells it apart."""
    rule, org, subject, member, start, level = key
    parts = (org, rule, subject, member, start, level, mode, rfc3339(opened_at))
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


class Episodes:
    """The open episodes of a partition."""

    def __init__(self) -> None:
        self.open: dict[EpisodeKey, Episode] = {}
        self._next_end: datetime | None = None
        self._of: dict[tuple[str, str], set[EpisodeKey]] = {}  # by rule and org: those that are open,
        self._told: dict[tuple[str, str], set[EpisodeKey]] = {}  # and of them those that somebody was told of

    def fire(self, draft: Alert) -> Alert | None:
        """The opening alert of a new episode, or what is actual or more urgent now; None where that was said."""
        key = key_of(draft)
        held = self.open.get(key)
        if held is not None:
            return self._now_more(held, draft)
        alert = draft.model_copy(
            update={"alert_id": alert_id_of(key, mode=draft.mode, opened_at=draft.opened_at), "seq": 1}
        )
        self._hold(key, Episode(alert))
        return alert

    @staticmethod
    def _now_more(held: Episode, draft: Alert) -> Alert | None:
        now_actual = (held.alert.basis, draft.basis) == ("estimated", "actual")
        if not now_actual and not is_more_urgent(held.alert, draft):
            return None
        before = held.alert
        same = {"alert_id": before.alert_id, "seq": before.seq + 1, "opened_at": before.opened_at}
        held.said = ""
        if draft.notify:
            held.alert, held.escalated, held.told_us = draft.model_copy(update=same), 0, micros(draft.at)
            return held.alert
        whose = {name: before.evidence[name] for name in OF_PEOPLE if name in before.evidence}
        same |= {"status": before.status, "owner": before.owner, "evidence": {**draft.evidence, **whose}}
        said = draft.model_copy(update=same)
        held.alert = said.model_copy(update={"notify": before.notify})
        return said

    def resolve(
        self, key: EpisodeKey, *, at: datetime, why: Why, because: str | None = None, numbers: Alert | None = None
    ) -> Alert:
        """The closing alert of an open episode, which is open no more; `numbers`: a draft of what it came to.

        `because` says it in words where the rule has better ones than the reason.
        """
        last = self.open.pop(key).alert
        for some in (self._of, self._told):
            if key in (found := some.get(key[:2], set())):
                found.remove(key)
                if not found:
                    del some[key[:2]]
        if numbers is not None:
            names = ("value", "estimated_usd", "evidence", "message")
            last = last.model_copy(update={name: getattr(numbers, name) for name in names})
        return last.model_copy(
            update={
                "seq": last.seq + 1,
                "status": "resolved",
                "at": at,
                "resolved_at": at,
                "reason": why,
                "message": f"resolved, {because or IN_WORDS[why]}: {last.message}",
            }
        )

    def ended(self, floor: datetime) -> list[EpisodeKey]:
        """The episodes whose period is over at the floor, sorted."""
        if self._next_end is None or floor < self._next_end:
            return []
        ending = {k: end for k, e in self.open.items() if (end := e.alert.period_end) and k[0] not in OUTLASTING}
        over = sorted(key for key, end in ending.items() if end <= floor)
        ends = [end for end in ending.values() if end > floor]
        self._next_end = min(ends, default=None)
        return over

    def of_rule(self, rule: str) -> list[EpisodeKey]:
        """The open episodes of a rule, sorted."""
        return sorted(key for key in self.open if key[0] == rule)

    def count(self, rule: str, org: str, *, told: bool) -> int:
        """How many of an organisation's are open of a rule; `told`: that notified somebody when they opened."""
        return len((self._told if told else self._of).get((rule, org), ()))

    def of_budgets(self, budgets: set[tuple[str, str]]) -> list[EpisodeKey]:
        """The open episodes of these budgets (org, id), sorted."""
        return sorted(
            key for key, held in self.open.items() if held.alert.budget_id is not None and (key[1], key[2]) in budgets
        )

    def _hold(self, key: EpisodeKey, episode: Episode) -> None:
        self.open[key] = episode
        self._of.setdefault(key[:2], set()).add(key)
        if episode.alert.notify:
            self._told.setdefault(key[:2], set()).add(key)
        end = episode.alert.period_end
        if end is not None and key[0] not in OUTLASTING and (self._next_end is None or end < self._next_end):
            self._next_end = end

    def to_state(self) -> list[EpisodeBytes]:
        """The open episodes, sorted by key."""
        return [
            EpisodeBytes(
                key,
                held.alert.model_dump_json(),
                held.quiet_rounds,
                held.quiet_since_us,
                held.escalated,
                held.said,
                held.told_us,
            )
            for key, held in sorted(self.open.items())
        ]

    def from_state(self, held: list[EpisodeBytes]) -> None:
        """The open episodes are these."""
        self.open, self._next_end, self._of, self._told = {}, None, {}, {}
        for one in held:
            alert = Alert.model_validate_json(one.alert_json)
            episode = Episode(alert, one.quiet_rounds, one.quiet_since_us, one.escalated, one.said, one.told_us)
            self._hold(one.key, episode)
