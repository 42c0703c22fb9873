"""`python -m deploy.dashboards.answers STATE_DIR [UID=now-1h ...] [prometheus=URL]`: what answers to every panel.

It asks what stands in Grafana's own files, as the analyst, and prints JSON; `draw.py` makes pictures of it. A dashboard
shows its own time unless another is given for its uid. Without a Prometheus its panels have no rows.
"""

import json
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.dashboards.__main__ import FOLDER
from deploy.dashboards.asked import Range, asked, range_of
from deploy.dashboards.panels import CLICKHOUSE
from deploy.stack.find import find_stack
from deploy.store_client import named_rows, rows
from schemas.connection import ClickHouseSettings
from schemas.errors import BurnlineError, SettingsError

_MINUTE_SEC = 60


def answers(settings: ClickHouseSettings, since: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """The rows of every panel, by dashboard and panel. Raises: StoreUnavailableError, QueryError."""
    found: dict[str, Any] = {"at": now.isoformat(), "dashboards": {}}
    for path in sorted(FOLDER.glob("*.json")):
        dashboard = json.loads(path.read_text())
        orgs = [str(row["org"]) for row in rows(settings, dashboard["templating"]["list"][0]["query"])]
        chosen = range_of(since.get(dashboard["uid"], dashboard["time"]["from"]), now=now)
        told = {
            str(panel["id"]): _answer(settings, panel, chosen, orgs)
            if panel["datasource"] == CLICKHOUSE
            else _numbers(since.get("prometheus"), panel["targets"][0], chosen)
            for panel in dashboard["panels"]
        }
        found["dashboards"][dashboard["uid"]] = {"since": chosen.since.isoformat(), "panels": told}
    return found


def _answer(settings: ClickHouseSettings, panel: dict[str, Any], chosen: Range, orgs: list[str]) -> dict[str, Any]:
    minutes = int(panel.get("interval", "0m").removesuffix("m"))
    sql = asked(panel["targets"][0]["rawSql"], chosen, orgs=orgs, at_least_sec=minutes * _MINUTE_SEC or 1)
    names, found = named_rows(settings, sql)
    return {"columns": names, "rows": [[_plain(row[name]) for name in names] for row in found]}


def _numbers(prometheus: str | None, target: dict[str, Any], chosen: Range) -> dict[str, Any]:
    """What a Prometheus has of a panel. Raises: OSError: it does not answer."""
    found: list[list[object]] = []
    if prometheus is not None:
        step_sec = chosen.interval_sec(at_least_sec=15)
        asked_for = {"query": target["expr"], "step": step_sec}
        asked_for |= {"start": chosen.since.timestamp(), "end": chosen.until.timestamp()}
        url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(asked_for)}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  whoever draws the pictures names it
            series = json.load(answer)["data"]["result"]
        for one in series:
            name = re.sub(r"\{\{(\w+)\}\}", lambda part, of=one: of["metric"].get(part[1], ""), target["legendFormat"])  # type: ignore[misc]  # mypy cannot type a default of a lambda
            found += [[datetime.fromtimestamp(at, UTC).isoformat(), name, float(value)] for at, value in one["values"]]
    return {"columns": ["time", "name", "value"], "rows": found}


def _plain(value: object) -> object:
    """A value as JSON has it: numbers as numbers, times in UTC, everything else as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
    try:
        return float(str(value))
    except ValueError:
        return str(value)


def main(words: list[str]) -> int:
    """0 with the answers on stdout, 1 where no stack answers."""
    try:
        stack = find_stack(Path(words[0]) if words else None, {})
        if stack is None:
            raise SettingsError("there is no stack here; start one with: make demo")
        since = dict(word.split("=", 1) for word in words[1:])
        json.dump(answers(stack.clickhouse(), since, now=datetime.now(UTC)), sys.stdout)
    except (BurnlineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
