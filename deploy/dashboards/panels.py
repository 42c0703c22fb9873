"""A dashboard and its panels, and how Grafana has them as JSON. Pure.

Source: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from dataclasses import dataclass
from typing import Any, Literal

CLICKHOUSE = {"type": "grafana-clickhouse-datasource", "uid": "burnline-clickhouse"}
"""The data source that `deploy/grafana/provisioning` makes: user `analyst`, who reads the public views."""

PROMETHEUS = {"type": "prometheus", "uid": "burnline-prometheus"}
"""The data source for what processes tell of themselves: a Prometheus as `deploy/prometheus` sets one up."""

ORG = "org IN (${org:sqlstring})"
"""What every question is narrowed to: the organisations that are chosen on top of the dashboard."""

WHOLE = "t < toStartOfInterval(now(), INTERVAL 15 MINUTE)"
"""Of `usage_15m`: without the quarter of an hour that is not over, which would look like a fall."""

QUARTER = "15m"
"""The shortest interval of panels that read `usage_15m`."""

Kind = Literal["timeseries", "table", "stat"]
_WIDTH = 24
_HEIGHTS: dict[Kind, int] = {"timeseries": 9, "table": 9, "stat": 4}
_TIME_SERIES, _TABLE = 0, 1  # the plugin's numbers of formats
_UNITS: dict[str, str] = {
    "usd|.*_usd|usd_per_hour|usd_per_task|usd_per_mtok": "currencyUSD",
    "percent|.*_percent": "percent",
    "level|.*_ratio": "percentunit",
    "seconds|.*_sec": "s",
    "minutes|.*_minutes": "m",
}
"""The units of a table's columns, by their names."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One question and its SQL; a time series has `time` first, then a name, then a number. Or its PromQL.

    `legend` names the series of a PromQL, as in `{{stage}}`.

    `width` and `height` are of Grafana's grid; `bars` are stacked; from `bad_from` on a number is red; `nothing` is
    said where there are no rows; `shortest` is the least that `$__interval_s` may be.
    """

    question: str
    sql: str = ""
    promql: str = ""
    legend: str = ""
    kind: Kind = "table"
    width: int = 12
    height: int | None = None
    unit: str = "short"
    bars: bool = False
    bad_from: float | None = None
    nothing: str = "nothing yet"
    shortest: str | None = None

    @property
    def rows(self) -> int:
        """How high it is, of Grafana's grid."""
        return self.height or _HEIGHTS[self.kind]

    def to_grafana(self, *, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel as Grafana has it, at this place."""
        series = self.kind == "timeseries"
        source = PROMETHEUS if self.promql else CLICKHOUSE
        asked: dict[str, Any] = {
            "editorType": "sql",
            "format": _TIME_SERIES if series else _TABLE,
            "queryType": "timeseries" if series else "table",
            "rawSql": self.sql,
        }
        if self.promql:
            asked = {"editorMode": "code", "expr": self.promql, "legendFormat": self.legend, "range": True}
        return {
            "id": number,
            "type": self.kind,
            "title": self.question,
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.rows},
            "fieldConfig": {
                "defaults": self._defaults(),
                "overrides": _overrides() if self.kind == "table" else [],
            },
            "options": {} if series or self.kind == "table" else {"reduceOptions": {"values": True, "calcs": []}},
            **({"interval": self.shortest} if self.shortest else {}),
            "targets": [{"datasource": source, **asked, "refId": "A"}],
        }

    def _defaults(self) -> dict[str, Any]:
        found: dict[str, Any] = {"unit": self.unit, "noValue": self.nothing}
        if self.kind == "timeseries" and self.bars:  # no least value: credits are below zero
            found["custom"] = {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal"}}
        elif self.kind == "timeseries":
            found["min"] = 0
        if self.kind == "stat":
            steps: list[dict[str, Any]] = [{"color": "text", "value": None}]
            if self.bad_from is not None:
                steps = [{"color": "green", "value": None}, {"color": "red", "value": self.bad_from}]
            found["color"] = {"mode": "thresholds"}
            found["thresholds"] = {"mode": "absolute", "steps": steps}
        return found


def _overrides() -> list[dict[str, Any]]:
    return [
        {"matcher": {"id": "byRegexp", "options": f"/^({names})$/"}, "properties": [{"id": "unit", "value": unit}]}
        for names, unit in _UNITS.items()
    ]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """Panels from left to right, then the next row. `since` is where its time begins, as Grafana writes it."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    since: str = "now-24h"
    refresh: str = "1m"

    def to_grafana(self) -> dict[str, Any]:
        """The dashboard as a file of Grafana's provisioning."""
        placed, x, y, row = [], 0, 0, 0
        for number, panel in enumerate(self.panels, start=1):
            if x + panel.width > _WIDTH:
                x, y, row = 0, y + row, 0
            placed.append(panel.to_grafana(number=number, x=x, y=y))
            x, row = x + panel.width, max(row, panel.rows)
        return {
            "uid": self.uid,
            "title": self.title,
            "tags": ["burnline"],
            "timezone": "browser",
            "schemaVersion": 39,
            "editable": False,
            "refresh": self.refresh,
            "time": {"from": self.since, "to": "now"},
            "templating": {"list": [_org_variable()]},
            "panels": placed,
        }


def _org_variable() -> dict[str, Any]:
    return {
        "name": "org",
        "label": "organisation",
        "type": "query",
        "datasource": CLICKHOUSE,
        "query": "SELECT DISTINCT org FROM usage_1d_utc ORDER BY org",
        "refresh": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }
