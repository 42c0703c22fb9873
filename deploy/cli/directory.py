"""`burnline entities` and `burnline reattribute`: who belongs to whom, and what was spent put right after a move."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.corrected import follow, show
from deploy.cli.corrections import FILTER, Actor, DryRun, Timeout, new_id, wanted_from
from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table
from deploy.cli.policies import user_name

if TYPE_CHECKING:
    from deploy.reattributing import Moves

_END_SEC = 3600.0


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    app.command(
        "entities",
        epilog=examples(
            "burnline entities --type team",
            "burnline entities --type user --unknown",
            "burnline entities --id ana.diaz --json",
        ),
    )(entities)
    app.command(
        "reattribute",
        epilog=examples(
            "burnline reattribute --from 2026-10-01 --to 2026-11-01 --dry-run",
            "burnline reattribute --from 2026-10-01 --where team=unattributed",
        ),
    )(reattribute)


def entities(
    entity_type: Annotated[str | None, typer.Option("--type", help="user, team, agent, credential ...")] = None,
    entity_id: Annotated[str | None, typer.Option("--id", help="Only this one.")] = None,
    org: Annotated[str | None, typer.Option(help="Only of this organisation.")] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Only what spent and stands in no directory.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many lines, the dearest first.")] = 100,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show who spent, and what the directory says of them: a line for each time in which it says the same."""
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from sinks.directory_questions import entities_of

    asked = entities_of(entity_type=entity_type, entity_id=entity_id, org=org, unknown=unknown, limit=limit)
    found = rows(connections(state_dir, os.environ).clickhouse, asked.sql, asked.parameters)
    if as_json:
        put_json(found)
    elif not found:
        put("none; bring people and teams into force with: burnline apply FILE")
    else:
        _show(found)


def _show(found: list[dict[str, Any]]) -> None:
    names = ("org", "entity_type", "entity_id", "name", "team", "business_unit", "cost_center", "owner")
    put_table(
        ["org", "type", "id", "name", "team", "unit", "cost centre", "owner", "from (UTC)", "to", "requests", "USD"],
        [
            (*(row[name] or _unsaid(row) for name in names),
             _day(row["valid_from"]), _day(row["valid_to"]), f"{row['requests']:,}", f"{row['cost_usd']:f}")
            for row in found
        ],
        right=("requests", "USD"),
    )  # fmt: skip


def _unsaid(row: dict[str, Any]) -> str:
    """What stands where the directory says nothing: a question, if it could."""
    from schemas.directory import DIRECTORY_KINDS, UNATTRIBUTED

    asked = row["entity_type"] in DIRECTORY_KINDS and row["entity_id"] != UNATTRIBUTED
    return "?" if asked and not row["in_directory"] else ""


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d}" if at.hour == at.minute == 0 else f"{at:%Y-%m-%d %H:%M}"


def reattribute(
    since: Annotated[str, typer.Option("--from", help="From this moment on: a date, a time, 7d ago.")],
    until: Annotated[str | None, typer.Option("--to", help="Up to that moment, exclusive; else up to now.")] = None,
    where: Annotated[list[str] | None, typer.Option("--where", metavar="FIELD=VALUE", help=FILTER)] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    timeout: Timeout = _END_SEC,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Attribute what is stored anew: each event by the directory that is in force now, at the event's own time.

    Changed are user, agent, team, business_unit and cost_center of events for which the directory has another word;
    what it has no word on stays. Each has a row in the view `corrections`; views, rollups and budgets follow: what one
    team loses another gains, to the pico-dollar. Alerts that were sent stay; a threshold of an open period fires if the
    new sum reaches it. Live events go on meanwhile, and an event that changes in between is left alone and counted.
    """
    from deploy.asking import Asker
    from deploy.budget_changes import budget_changes, fields_of
    from deploy.policy_log import in_force, read_log
    from deploy.reattributing import Moves, new_attributions
    from deploy.stack.find import connections
    from schemas.errors import InputError
    from schemas.internal import to_arrow_bytes
    from schemas.requests import ReattributeRequest
    from streams.rating.attribution import Directory

    now = datetime.now(UTC)
    wanted = wanted_from(since, until, where or [], now)
    found = connections(state_dir, os.environ)
    log = read_log(found.kafka)
    policies = in_force(log)
    directory = Directory().under(policies)
    if not directory:
        raise InputError("no directory is in force; bring people and teams into force with: burnline apply FILE")
    moves = Moves(fields_of(policies))
    asker, request_id, offsets = Asker(found.kafka), new_id(), list[int]()
    for some in new_attributions(found.clickhouse, wanted, directory, moves):
        if not dry_run:
            offsets.append(asker.news(request_id, to_arrow_bytes(some)))
    told, summary = _preview(moves, log[-1].offset)
    budgets = budget_changes(policies, moves.budgets(), now=now)
    if dry_run or not offsets:
        show(told, summary, budgets, as_json=as_json)
        return
    asker.ask(
        ReattributeRequest(
            request_id=request_id,
            offsets=tuple(offsets),
            rows=moves.differ,
            policy_offset=log[-1].offset,
            asked_by=actor or user_name(),
            asked_at=now,
        )
    )
    follow(found, request_id, told, summary, budgets, timeout=timeout, as_json=as_json)


def _preview(moves: "Moves", policy_offset: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    told = {"policy_offset": policy_offset, "events_looked_at": moves.looked_at, "events": moves.differ}
    summary = [
        {"day": day, "team_before": before, "team_after": after, "events": line.events, "cost_usd": line.cost_usd}
        for (day, before, after), line in sorted(moves.lines.items())
    ]
    return told, summary
