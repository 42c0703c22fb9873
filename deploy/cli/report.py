"""`burnline report`: tokens by leaf, cost, coverage per period, and what is left of the budgets."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table
from deploy.cli.report_lines import csv_lines, show_lines, without_false_zeros


class Period(StrEnum):
    """What a line of the report is about."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    SESSION = "session"
    RUN = "run"
    TOTAL = "total"


class Kind(StrEnum):
    """What a report is: lines about periods, the bridge between two, or a month for the files."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    SESSION = "session"
    RUN = "run"
    TOTAL = "total"
    BRIDGE = "bridge"
    AUDIT = "audit"


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "report",
        epilog=examples(
            "burnline report daily --by team,model --since 7d",
            "burnline report monthly --tz Europe/Berlin --csv > november.csv",
            "burnline report run --by agent --json",
            "burnline report daily --local claude-code ~/.claude --by model",
            "burnline report audit --month 2026-10 --where org=acme > audit.md",
            "burnline report bridge --since 2026-11-01 --until 2026-12-01 --against 2026-10-01 --where team=code",
        ),
    )(report)


def report(
    kind: Annotated[Kind, typer.Argument(help="What a line is about; or a bridge, or an audit.")] = Kind.DAILY,
    by: Annotated[str | None, typer.Option(metavar="team,model", help="Dimensions, comma separated.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on: 24h, 7d, a date or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, exclusive.")] = None,
    tz: Annotated[str, typer.Option(help="Time zone of days, and of dates without one.")] = "UTC",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many lines.")] = 10_000,
    local: Annotated[
        tuple[str, str] | None,
        typer.Option("--local", metavar="FORMAT PATH", help="Read log files (FORMAT as in replay); no stack."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Of a bridge: when the period begins with which it is compared.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="FIELD=VALUE", help="Of a bridge: only such calls; of an audit: org=..."),
    ] = None,
    month: Annotated[str | None, typer.Option(help="Of an audit: 2026-10; the last one unless given.")] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV that is safe to open in a spreadsheet.")] = False,
) -> None:
    """Sum up tokens and cost. Unpriced requests cost an unknown amount, not zero: see the share that is priced.

    bridge: why spend changed from one period to another, driver by driver, exactly; as much time before --since unless
    --against says otherwise (burnline explain says the same of an alert).

    audit: a month for the files, as Markdown: coverage, price versions, owners, exceptions, corrections,
    reconciliations, alerts and who took them on, changes of policies.
    """
    from deploy.csv_safe import to_csv
    from deploy.moments import moment
    from schemas.errors import InputError

    if as_json and as_csv:
        raise InputError("--json and --csv: choose one")
    if kind is Kind.BRIDGE:
        from deploy.cli.explain import explain

        if as_csv or local is not None or by is not None:
            raise InputError("--csv, --local and --by: a bridge has none; burnline sql reads the view spend_bridge")
        explain(
            None,
            since=since or "7d",
            until=until,
            against=against,
            where=where,
            state_dir=state_dir,
            as_json=as_json,
        )
        return
    if kind is Kind.AUDIT:
        given = [since, until, by, local, against]
        if as_json or as_csv or any(one is not None for one in given):
            raise InputError(
                "an audit is a month of Markdown: burnline report audit --month 2026-10 [--where org=acme]"
            )
        _audit(month, where or [], state_dir)
        return
    if against is not None or where or month is not None:
        raise InputError("--against and --where belong to a bridge, --month and --where to an audit")
    period = Period(kind.value)
    now = datetime.now(UTC)
    zone = _zone(tz)
    names = [name.strip() for name in (by or "").split(",") if name.strip()]
    begin = moment(since, now=now, zone=zone) if since else None
    end = moment(until, now=now, zone=zone, flag="--until") if until else None
    if local is not None:
        from deploy.cli.local import show_local
        from deploy.local_lines import Asked

        wanted = Asked(period=period.value, by=tuple(names), since=begin, until=end, zone=zone)
        show_local(local, wanted, limit=limit, as_json=as_json, as_csv=as_csv)
        return
    from deploy.stack.find import connections
    from deploy.store_client import named_rows, rows
    from sinks.queries import budgets_left
    from sinks.queries import report as question

    asked = question(period.value, by=names, since=begin, until=end, tz=tz, limit=limit)
    clickhouse = connections(state_dir, os.environ).clickhouse
    head, found = named_rows(clickhouse, asked.sql, asked.parameters)
    lines = [without_false_zeros(line) for line in found]
    if as_csv:
        sys.stdout.write(to_csv(csv_lines(head, lines)))
        return
    left = budgets_left(now=now)
    budgets = rows(clickhouse, left.sql, left.parameters)
    if as_json:
        put_json({"rows": lines, "budgets": budgets})
        return
    show_lines(lines)
    _show_budgets(budgets)


def _audit(month: str | None, where: list[str], state_dir: Path | None) -> None:
    from deploy.auditing import audit, month_of
    from deploy.field_filters import field_filters
    from deploy.stack.find import connections

    now = datetime.now(UTC)
    org = field_filters(where, ("org",)).get("org")
    asked = month_of(month or f"{now.replace(day=1) - timedelta(days=1):%Y-%m}", now=now)
    sys.stdout.write(audit(connections(state_dir, os.environ), asked, org=org, now=now))


def _zone(name: str) -> ZoneInfo:
    from schemas.errors import InputError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"--tz {name}: write an IANA time zone like Europe/Berlin or UTC") from None


def _show_budgets(budgets: Sequence[dict[str, Any]]) -> None:
    if not budgets:
        return
    put("\nbudgets of the running periods")
    cells = [
        [
            one["org"], one["budget_id"], one["member"] or "-", f"{one['limit']:f}".rstrip("0").rstrip("."),
            one["unit"], f"{one['spent']:.6f}",
            f"{one['estimated_usd']:.6f}" if one["estimated_usd"] else "-", f"{one['left']:.6f}",
            "-" if one["spent_to_limit_ratio"] is None else f"{one['spent_to_limit_ratio']:.1%}", one["status"],
        ]
        for one in budgets
    ]  # fmt: skip
    head = ["org", "budget", "member", "limit", "unit", "spent", "estimated", "left", "used", "status"]
    put_table(head, cells, right=("limit", "spent", "estimated", "left", "used"))
