"""`burnline alerts deliveries` and `resend`: who was told, who could not be, and telling them again."""

import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table

if TYPE_CHECKING:
    from sinks.queries import Query

Status = Annotated[str | None, typer.Option(help="Only these: waiting, delivered or parked.")]
RouteName = Annotated[str | None, typer.Option(help="Only those of this route.")]


def register(group: typer.Typer) -> None:
    """The commands are part of `burnline alerts`."""
    group.command(
        "deliveries", epilog=examples("burnline alerts deliveries", "burnline alerts deliveries --status parked --json")
    )(deliveries)
    group.command(
        "resend",
        epilog=examples(
            "burnline alerts resend 1c2d6e0e5f8a4c7d9e2f1a3b4c5d6e7f/1/on-call",
            "burnline alerts resend --route on-call --since 24h --dry-run",
            "burnline alerts resend 1c2d6e0e5f8a4c7d9e2f1a3b4c5d6e7f/1/on-call --again",
        ),
    )(resend)


def deliveries(
    status: Status = None,
    route: RouteName = None,
    since: Annotated[str, typer.Option(help="24h, 7d, a date or a time.")] = "30d",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 100,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how each alert's transitions stand with each route, newest first."""
    from deploy.moments import moment
    from sinks.deliveries import listed

    start = moment(since, now=datetime.now(UTC))
    found = _asked(listed(status=status, route=route, since=start, limit=limit), state_dir)
    if as_json:
        put_json(found)
    elif not found:
        put(f"nothing was to be delivered since {start:%Y-%m-%d %H:%M} UTC; routes are policies: [[route]]")
    else:
        put_table(
            ["id", "last change (UTC)", "route", "over", "status", "attempts", "why"],
            [
                (one["delivery_id"], str(one["at"])[:19], one["route"], one["destination"], one["status"],
                 one["attempts"], one["reason"])
                for one in found
            ],
            right=("attempts",),
        )  # fmt: skip


def resend(
    delivery_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="As `deliveries` shows them.")
    ] = None,
    route: Annotated[str | None, typer.Option(help="All parked deliveries of this route.")] = None,
    since: Annotated[str, typer.Option(help="With --route: 24h, 7d, a date or a time.")] = "30d",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="With --route: at most so many.")] = 1000,
    actor: Annotated[str | None, typer.Option(help="Who asks; your user name unless given.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was delivered in the last 10 minutes.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked for; ask for nothing.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask the notifier to deliver once more, after the cause was mended; it does so also if it is down now.

    Asked for twice before it was told, it is told once. Exit code 1 when an ID is not known.
    """
    from deploy.moments import moment
    from deploy.resending import ask, requests_for, was_told_lately
    from deploy.stack.find import connections
    from schemas.errors import InputError
    from sinks.deliveries import listed, named

    if bool(delivery_ids) == (route is not None):
        raise InputError("say which: IDs as `burnline alerts deliveries` shows them, or --route")
    now = datetime.now(UTC)
    if delivery_ids:
        question = named(delivery_ids)
    else:
        question = listed(status="parked", route=route, since=moment(since, now=now), limit=limit)
    found = _asked(question, state_dir)
    lately = [] if again else [row["delivery_id"] for row in found if was_told_lately(row, now=now)]
    wanted = [row for row in found if row["delivery_id"] not in lately]
    requests = requests_for(wanted, actor=actor or getpass.getuser(), now=now)
    if requests and not dry_run:
        ask(connections(state_dir, os.environ).kafka, requests)
    unknown = sorted(set(delivery_ids or ()) - {row["delivery_id"] for row in found})
    if as_json:
        asked = [one.delivery_id for one in requests]
        said = {"asked": [] if dry_run else asked, "would_ask": asked, "told_lately": lately, "unknown": unknown}
        put_json(said)
    else:
        for one in lately:
            put(f"not asked for: {one} was delivered less than 10 minutes ago (--again asks nevertheless)")
        for one in unknown:
            put(f"not known: {one}")
        put(f"{'would ask' if dry_run else 'asked'} for {len(requests):,}; burnline alerts deliveries shows what comes")
    if unknown:
        raise typer.Exit(1)


def _asked(question: "Query", state_dir: Any) -> list[dict[str, Any]]:  # noqa: ANN401  an option of typer
    from deploy.stack.find import connections
    from deploy.store_client import rows

    return rows(connections(state_dir, os.environ).clickhouse, question.sql, question.parameters)
