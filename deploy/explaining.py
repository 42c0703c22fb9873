"""Why an alert: its numbers, the policy of then, its transitions, and the bridge of its spend; ready for JSON."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.alert_subject import Subject, against, subject_of
from deploy.anomaly_series import Around, around, series
from deploy.bridging import PricesThen, explained
from deploy.moments import in_utc
from deploy.policy_log import Logged, read_log
from deploy.policy_then import PolicyThen, key_of_alert, policy_then
from deploy.stack.find import Connections
from deploy.store_client import rows
from schemas.errors import InputError, KafkaUnavailableError
from schemas.periods import instant
from schemas.policies import Budget
from sinks.anomaly_questions import spent_by_step
from sinks.queries import alert_history

Json = dict[str, Any]
SHORTEST_ID = 6
_LISTED = 5


class Explainer:
    """What explanations need of a stack: its policies, read once, and `books`, the folder of its price books.

    Policies that cannot be read (Kafka is away) are said in the notes, and no reason to explain nothing.
    """

    def __init__(self, where: Connections, books: Path | None) -> None:
        self._clickhouse = where.clickhouse
        self._books = books
        self._notes: list[str] = []
        self._log: Sequence[Logged] = ()
        try:
            self._log = read_log(where.kafka)
        except KafkaUnavailableError as error:
            self._notes.append(f"policies cannot be read: who set which is not known, nor rules of prices ({error})")

    def spend(self, subject: Subject) -> Json:
        """The bridge of a subject. Raises: StoreUnavailableError, QueryError, InputError."""
        found = explained(self._clickhouse, subject, PricesThen(self._books, self._log))
        return found | {"notes": [*found["notes"], *self._notes]}

    def alert(self, alert_id: str, *, now: datetime, baseline_since: datetime | None = None) -> Json:
        """Why an alert; the beginning of an id will do. `bridge` is missing where it is about no calls.

        Raises: InputError: there is no such alert, or several. StoreUnavailableError, QueryError.
        """
        transitions = self._transitions(alert_id)
        fired = fired_by(transitions)
        policy = self._policy(fired)
        budget = policy.policy if policy is not None and isinstance(policy.policy, Budget) else None
        subject = subject_of(fired, budget)
        found: Json = {
            "alert": dict(transitions[-1]),
            "judged": {name: fired[name] for name in ("at", "value", "threshold", "unit", "basis", "evidence")},
            "policy": None if policy is None else policy.as_json(),
            "transitions": [dict(one) for one in transitions],
        }
        window = around(fired, transitions, now=now)
        if window is not None:
            found["series"] = self._series(window, fired)
        if subject is None:
            why = "a run has nothing to be compared with" if fired["entity_type"] == "run" else "it is about no calls"
            return found | {"notes": [f"{why}, so there is no bridge", *self._notes]}
        if budget is not None and budget.multipliers:
            self._notes.append("the budget's pools have multipliers: it counts otherwise than what was spent, as here")
        if baseline_since is not None:
            subject = replace(subject, baselines=(against(subject.span, baseline_since),))
        return found | self.spend(subject)

    def _transitions(self, alert_id: str) -> list[Json]:
        if len(alert_id) < SHORTEST_ID:
            raise InputError(f"{alert_id!r}: write at least {SHORTEST_ID} characters of the alert's id")
        asked = alert_history(alert_id)
        return one_alert(alert_id, rows(self._clickhouse, asked.sql, asked.parameters))

    def _series(self, window: Around, fired: Json) -> Json:
        asked = spent_by_step(
            org=fired["org"],
            entity_type=fired["entity_type"],
            entity_id=fired["entity_id"],
            since=instant(window.since_us),
            until=instant(window.until_us),
            step_sec=window.step_sec,
        )
        return series(window, fired, rows(self._clickhouse, asked.sql, asked.parameters))

    def _policy(self, fired: Json) -> PolicyThen | None:
        key = key_of_alert(org=fired["org"], rule=fired["rule"], budget_id=fired["budget_id"])
        if key is None:
            return None
        return policy_then(self._log, key, in_utc(fired["at"]), member=fired["member"])


def one_alert(alert_id: str, found: list[Json]) -> list[Json]:
    """The transitions of the one alert whose id begins so. Raises: InputError: there is none, or there are several."""
    ids = sorted({one["alert_id"] for one in found})
    if not ids:
        raise InputError(
            f"no alert is stored whose id begins with {alert_id!r}; burnline alerts lists them with their ids "
            "(one that was published a moment ago is stored within seconds: burnline drain waits for it)"
        )
    if len(ids) > 1:
        raise InputError(f"{alert_id!r} begins the ids of {len(ids)} alerts: {', '.join(ids[:_LISTED])}; write more")
    return found


def fired_by(transitions: Sequence[Json]) -> Json:
    """The transition that explains an alert: the newest that fired, else the newest."""
    return next((one for one in reversed(transitions) if one["status"] == "firing"), transitions[-1])
