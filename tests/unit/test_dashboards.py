"""Grafana's files are those of the code; every panel is a question, asked of public views with the analyst's source."""

import json
import re
from pathlib import Path
from typing import get_args

from deploy.clickhouse.rights import view_names
from deploy.dashboards import DASHBOARDS
from deploy.dashboards.__main__ import FOLDER, files
from deploy.dashboards.panels import CLICKHOUSE, PROMETHEUS
from deploy.metrics.families import FAMILIES
from schemas.deliveries import DeliveryStatus
from sinks.numbers import NOTIFIER, SINK
from streams.numbers import ALL as STAGE

ROOT = Path(__file__).parents[2]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
VIEWS = view_names(path.read_text() for path in (ROOT / "sinks" / "migrations").glob("*.sql"))
PANELS = [panel for dashboard in DASHBOARDS for panel in dashboard.panels]


def test_files_are_those_of_the_code() -> None:
    """`python -m deploy.dashboards` writes them; nothing else lies there."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == files()


def test_every_panel_is_titled_by_one_question() -> None:
    """Who looks knows what is answered; no question is asked twice on a dashboard."""
    for dashboard in DASHBOARDS:
        questions = [panel.question for panel in dashboard.panels]
        assert len(questions) == len(set(questions))
        assert [question for question in questions if not question.endswith("?")] == []


def test_panels_read_public_views_only() -> None:
    """What follows FROM is a view of the migrations."""
    read = {name for panel in PANELS for name in re.findall(r"\bFROM (\w+)", panel.sql)}
    assert read <= set(VIEWS)


def test_panels_do_not_overlap() -> None:
    """Each has its place within 24 columns."""
    for dashboard in DASHBOARDS:
        cells = [
            (x, y)
            for panel in dashboard.to_grafana()["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def test_nobody_is_ranked_as_a_person() -> None:
    """No panel lists users: people are shown within their team, where somebody asks for it."""
    assert [panel.question for panel in PANELS if re.search(r"\buser\b", panel.sql)] == []


def test_panels_ask_prometheus_for_numbers_that_there_are() -> None:
    """A panel has SQL or PromQL; what the latter names is told by a process or by the watchdog."""
    assert [panel.question for panel in PANELS if bool(panel.sql) == bool(panel.promql)] == []
    told = {*FAMILIES, *(one.name for one in (*STAGE, *SINK, *NOTIFIER))}
    named = {name for panel in PANELS for name in re.findall(r"burnline_[a-z_]+", panel.promql)}
    assert {re.sub(r"(?<=_seconds)_(sum|count)$", "", name) for name in named} <= told
    source = (PROVISIONING / "datasources" / "burnline.yaml").read_text()
    assert f"uid: {PROMETHEUS['uid']}" in source


def test_every_dashboard_has_a_picture() -> None:
    """`make pictures` draws them; none is too large for a page."""
    pictures = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "pictures").glob("*.png")}
    assert set(pictures) == {dashboard.uid for dashboard in DASHBOARDS}
    assert max(pictures.values()) < 200_000


def test_what_may_be_below_zero_has_no_least_value() -> None:
    """Credits are negative; a panel that begins at zero would hide them."""
    charges = next(panel for panel in PANELS if "charges_daily" in panel.sql)
    assert "min" not in charges.to_grafana(number=1, x=0, y=0)["fieldConfig"]["defaults"]


def test_states_of_deliveries_are_those_that_there_are() -> None:
    """A panel that asks for another one would always say that all is well."""
    asked = {
        state
        for panel in PANELS
        if "FROM deliveries" in panel.sql
        for state in re.findall(r"status = '(\w+)'", panel.sql)
    }
    assert asked
    assert asked <= set(get_args(DeliveryStatus.model_fields["status"].annotation))


def test_the_source_is_provisioned_without_a_password() -> None:
    """One data source with the id that panels name; who logs in comes from the environment."""
    source = (PROVISIONING / "datasources" / "burnline.yaml").read_text()
    assert f"uid: {CLICKHOUSE['uid']}" in source
    assert f"type: {CLICKHOUSE['type']}" in source
    assert re.findall(r"(?:password|username): (\S+)", source) == [
        "${BURNLINE_GRAFANA_CLICKHOUSE_USER}", "${BURNLINE_GRAFANA_CLICKHOUSE_PASSWORD}",
    ]  # fmt: skip
    assert json.loads(next(iter(files().values())))["editable"] is False
