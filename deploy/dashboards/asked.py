"""A panel's SQL as Grafana's ClickHouse plugin sends it: macros and variables are filled in. Pure.

Source: https://grafana.com/docs/plugins/grafana-clickhouse-datasource/latest/macros/ (read 2026-11).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_POINTS = 500
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_STEPS_SEC = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""The lengths of points that Grafana rounds to."""


@dataclass(frozen=True)
class Range:
    """The chosen time, both ends inclusive as in Grafana, and the step that fits a panel's width."""

    since: datetime
    until: datetime

    def interval_sec(self, *, at_least_sec: int = 1) -> int:
        """The length of one point: what `$__interval_s` says."""
        fits_sec = (self.until - self.since).total_seconds() / _POINTS
        return max(at_least_sec, next((step for step in _STEPS_SEC if step >= fits_sec), _STEPS_SEC[-1]))


def range_of(since: str, *, now: datetime) -> Range:
    """From a dashboard's `time.from`, such as `now-30m`, `now-24h` or `now-7d`, until now."""
    number, unit = int(since.removeprefix("now-")[:-1]), since[-1]
    return Range(now - number * _UNITS[unit], now)


def asked(sql: str, chosen: Range, *, orgs: Sequence[str], at_least_sec: int = 1) -> str:
    """The statement for these organisations and this time; `at_least_sec` is the panel's shortest interval."""
    first, last = (f"toDateTime({int(moment.timestamp())})" for moment in (chosen.since, chosen.until))
    interval_sec = chosen.interval_sec(at_least_sec=at_least_sec)
    quoted = ",".join("'{}'".format(org.replace("\\", "\\\\").replace("'", "\\'")) for org in orgs)
    found = sql.replace("${org:sqlstring}", quoted).replace("$__interval_s", str(interval_sec))
    found = re.sub(
        r"\$__timeInterval\((\w+)\)", rf"toStartOfInterval(toDateTime(\1), INTERVAL {interval_sec} second)", found
    )
    found = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {first} AND \1 <= {last}", found)
    return re.sub(r"\$__dateFilter\((\w+)\)", rf"\1 >= toDate({first}) AND \1 <= toDate({last})", found)
