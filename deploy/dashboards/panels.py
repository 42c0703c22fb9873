"""A dashboard and its panels, and how Grafana has them as JSON. Pure.

Source: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from dataclasses import dataclass
from typing import Any, Literal

CLICKHOUSE = {"type": "grafana-clickhouse-datasource", "uid": "burnline-clickhouse"}
"""The data source that `deploy/grafana/provisioning` makes: user `analyst`, who reads the public views."""

ORG = "org IN (${org:sqlstring})"
"""What every question is narrowed to: the organisations that are chosen on top of the dashboard."""

Kind = Literal["timeseries", "table", "stat", "bargauge"]
_WIDTH = 24
_HEIGHTS: dict[Kind, int] = {"timeseries": 9, "table": 9, "stat": 4, "bargauge": 9}
_TIME_SERIES, _TABLE = 0, 1  # the plugin's numbers of formats


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One question and its SQL; a time series has `time` first, then a name, then a number. `width` is of 24."""

    question: str
    sql: str
    kind: Kind = "table"
    width: int = 12
    unit: str = "short"

    def to_grafana(self, *, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel as Grafana has it, at this place."""
        series = self.kind == "timeseries"
        target = {
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "format": _TIME_SERIES if series else _TABLE,
            "queryType": "timeseries" if series else "table",
            "rawSql": self.sql,
            "refId": "A",
        }
        return {
            "id": number,
            "type": self.kind,
            "title": self.question,
            "datasource": CLICKHOUSE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": _HEIGHTS[self.kind]},
            "fieldConfig": {"defaults": {"unit": self.unit}, "overrides": []},
            "options": {} if series or self.kind == "table" else {"reduceOptions": {"values": True, "calcs": []}},
            "targets": [target],
        }


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
            x, row = x + panel.width, max(row, _HEIGHTS[panel.kind])
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
