"""What a backtest comes to: the alerts, how many a week, and how they compare with what people said. Pure.

Laws
1. An alert belongs to a label of the same entity if it opened within the label's time or an hour around it; of the same
   organisation and rule, too, where the label names them.
2. precision: of the alerts that belong to a label, those that were right. What nobody labelled is counted apart: it may
   be right or wrong. recall: of what was confirmed, what was found. Both are null where nothing was labelled.
3. lead_min: minutes from the beginning of what was confirmed to its first alert, the median; negative: before.
4. By rule the same, of the rule's alerts and of the labels that name it: a label for all rules is no rule's miss.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from schemas.money import plain
from schemas.signals import Alert, rfc3339

AROUND = timedelta(hours=1)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Labelled:
    """What somebody said of an entity in [since, until): it was right to tell of it (`confirmed`), or it was not.

    org, rule: None where the label holds for all of them.
    """

    entity_type: str
    entity_id: str
    since: datetime
    until: datetime
    confirmed: bool
    org: str | None = None
    rule: str | None = None

    def holds(self, alert: Alert) -> bool:
        """Law 1."""
        same = (alert.entity_type, alert.entity_id) == (self.entity_type, self.entity_id)
        same &= self.org in {None, alert.org} and self.rule in {None, alert.rule}
        return same and self.since - AROUND <= alert.opened_at < self.until + AROUND


def told(alerts: Iterable[Alert], labels: Sequence[Labelled], *, since: datetime, until: datetime) -> dict[str, Any]:
    """All of it, ready for JSON; of each episode the transition that opened it."""
    opened = [one for one in alerts if one.status == "firing" and one.seq == 1]
    weeks = max((until - since) / _WEEK, 1 / 7)
    quiet = sum(not one.notify for one in opened)
    return {
        "since": rfc3339(since),
        "until": rfc3339(until),
        "alerts": [_line(one) for one in opened],
        "by_rule": dict(sorted(Counter(one.rule for one in opened).items())),
        "alerts_per_week": round(len(opened) / weeks, 2),
        "notifying_per_week": round((len(opened) - quiet) / weeks, 2),
        "labels": _judged(opened, labels),
    }


def _line(alert: Alert) -> dict[str, Any]:
    return {
        "at": rfc3339(alert.opened_at),
        "rule": alert.rule,
        "level": alert.level,
        "severity": alert.severity,
        "notify": alert.notify,
        "org": alert.org,
        "entity_type": alert.entity_type,
        "entity_id": alert.entity_id,
        "value": plain(alert.value),
        "unit": alert.unit,
        "evidence": alert.evidence,
        "message": alert.message,
    }


def _judged(opened: Sequence[Alert], labels: Sequence[Labelled]) -> dict[str, Any]:
    """All of it, and by rule."""
    rules = sorted({one.rule for one in opened} | {one.rule for one in labels if one.rule is not None})
    by_rule = {
        rule: _of([one for one in opened if one.rule == rule], labels, [one for one in labels if one.rule == rule])
        for rule in rules
    }
    return _of(opened, labels, labels) | {"by_rule": by_rule}


def _of(opened: Sequence[Alert], labels: Sequence[Labelled], sought: Sequence[Labelled]) -> dict[str, Any]:
    """Precision of these alerts by all labels; recall of those that are sought among them."""
    right = [one for one in opened if any(label.holds(one) for label in labels if label.confirmed)]
    wrong = [
        one for one in opened if one not in right and any(label.holds(one) for label in labels if not label.confirmed)
    ]
    confirmed = [one for one in sought if one.confirmed]
    first = [[one.opened_at for one in opened if label.holds(one)] for label in confirmed]
    leads = [
        (min(some) - label.since).total_seconds() / 60 for label, some in zip(confirmed, first, strict=True) if some
    ]
    return {
        "confirmed": len(confirmed),
        "dismissed": len(sought) - len(confirmed),
        "right": len(right),
        "wrong": len(wrong),
        "unlabelled": len(opened) - len(right) - len(wrong),
        "precision": round(len(right) / (len(right) + len(wrong)), 3) if right or wrong else None,
        "recall": round(len(leads) / len(confirmed), 3) if confirmed else None,
        "lead_min": round(median(leads), 1) if leads else None,
    }
