"""`burnline alerts`: what was raised, from ClickHouse; or what is raised from now on, from Kafka; who was told."""

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import alert_acks, alert_deliveries, alert_labels, alerts_missed
from deploy.cli.output import AsJson, StateDir, examples, plain, put, put_json, put_table, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.connection import KafkaSettings
    from schemas.signals import Alert


_SHOWN_ID = 12
"""Enough of an alert's id for `burnline explain`; --json has all of it."""


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    group = typer.Typer()
    lines = (
        "burnline alerts --since 24h",
        "burnline alerts --follow --json",
        "burnline alerts ack 1c2d6e0e5f8a",
        'burnline alerts label 1c2d6e0e5f8a dismiss --note "a load test"',
        "burnline alerts deliveries --status parked",
        "burnline alerts would-have-fired --import import-1c2d6e0e5f8a9b3d",
    )
    group.callback(invoke_without_command=True, epilog=examples(*lines))(alerts)
    alert_acks.register(group)
    alert_labels.register(group)
    alert_deliveries.register(group)
    alerts_missed.register(group)
    app.add_typer(group, name="alerts")


def alerts(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print each as it comes; Ctrl-C ends.")] = False,
    since: Annotated[str, typer.Option(help="24h, 7d, a date or a time.")] = "30d",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show alerts, newest first, one line per episode; or follow their topics."""
    if context.invoked_subcommand is not None:
        return
    from deploy.moments import moment
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from sinks.queries import alerts as question

    found = connections(state_dir, os.environ)
    if follow:
        _follow(found.kafka, as_json=as_json)
        return
    start = moment(since, now=datetime.now(UTC))
    asked = question(since=start, limit=limit)
    listed = rows(found.clickhouse, asked.sql, asked.parameters)
    if as_json:
        put_json(listed)
    elif not listed:
        put(f"no alerts since {start:%Y-%m-%d %H:%M} UTC")
    else:
        put_table(
            ["id", "last change (UTC)", "status", "severity", "org", "who", "rule", "message"],
            [
                (one["alert_id"][:_SHOWN_ID], str(one["last_change"])[:19],
                 one["status"] + ("" if one["mode"] == "live" else f" ({one['mode']})"),
                 one["severity"], one["org"], f"{one['entity_type']} {one['entity_id']}",
                 rule_of(one["rule"], one["level"]), one["message"])
                for one in listed
            ],
        )  # fmt: skip


def _follow(kafka: "KafkaSettings", *, as_json: bool) -> None:
    from deploy.alert_feed import follow

    for alert in follow(kafka, on_state=_told_state(kafka.bootstrap_servers)):
        put(alert.model_dump_json() if as_json else line_of(alert))
        sys.stdout.flush()


def _told_state(where: str) -> "Callable[[str], None]":
    """Says when following begins, when Kafka goes away and when it is back, a line each."""
    begun = False

    def tell(why: str) -> None:
        nonlocal begun
        at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z"
        if why:
            say(f"{at} Kafka is away; what is published once it is back will be shown ({why})")
        else:
            say(f"{at} Kafka answers again" if begun else f"following the alert topics at {where}; Ctrl-C ends")
        begun = True

    return tell


def rule_of(rule: str, level: str) -> str:
    """A rule and its rung, as in `threshold 0.8`; the rule alone where its only rung has its name."""
    return rule if level in rule else f"{rule} {level}"


def line_of(alert: "Alert") -> str:
    """An alert's transition as a person reads it, in one line."""
    quiet = "" if alert.notify else " (quiet)"
    who = f"{alert.org} {alert.entity_type} {alert.entity_id}"
    text = f"{alert.at:%Y-%m-%d %H:%M:%S}Z {alert.status} {alert.severity}{quiet} {who}: {alert.message}"
    return plain(text.replace("\n", " "))
