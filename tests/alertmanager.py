"""What an Alertmanager keeps of what is posted to its API v2, as its source does it (read and tried: 0.25).

Sources: https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/api.go (postAlertsHandler),
provider/mem/mem.go (Put), types/types.go (Alert.Merge).
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime

Labels = frozenset[tuple[str, str]]
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass
class Alertmanager:
    """An alert is known by all of its labels, and is one until its end has passed."""

    kept: dict[Labels, tuple[datetime, datetime]] = field(default_factory=dict)

    def take(self, body: bytes, *, now: datetime) -> None:
        """What was posted is kept, or an AssertionError says why it would be refused."""
        for one in json.loads(body):
            assert one["labels"]
            for name, value in (one["labels"] | one["annotations"]).items():
                assert _NAME.fullmatch(name)
                assert isinstance(value, str)
            starts, ends = (datetime.fromisoformat(one[name]) for name in ("startsAt", "endsAt"))
            assert starts <= ends
            labels = frozenset(one["labels"].items())
            if labels in self.kept:
                was_starts, was_ends = self.kept[labels]
                if was_starts < ends < was_ends or was_starts < starts < was_ends:
                    starts = min(starts, was_starts)
                    if ends > now or was_ends <= now:
                        ends = max(ends, was_ends)
            self.kept[labels] = starts, ends

    def active(self, *, now: datetime) -> list[dict[str, str]]:
        """The labels of what stands."""
        return [dict(labels) for labels, (_, ends) in self.kept.items() if ends > now]
