"""`burnline undo` and `burnline rerate`: what is stored is taken back, or priced anew, with an audit row per event."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.corrected import follow, show
from deploy.cli.output import AsJson, StateDir, examples, say
from deploy.cli.policies import user_name

if TYPE_CHECKING:
    from deploy.budget_changes import BudgetChange
    from deploy.rerating import Preview, Wanted
    from schemas.policies import Policies
    from streams.rating.price_rules import Prices

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]
Actor = Annotated[str | None, typer.Option(help="Who asks for it; your user name unless given.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait until it is done; it goes on in any case.")]
_END_SEC = 3600.0
FILTER = "Only events whose field is this: team=code; org, team, project, provider, model, import_id. Repeat it."


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    app.command(
        "undo",
        epilog=examples(
            "burnline undo import-3f9a2c1b7d60e845 --dry-run",
            "burnline undo import-3f9a2c1b7d60e845",
        ),
    )(undo)
    app.command(
        "rerate",
        epilog=examples(
            "burnline rerate --from 2026-11-01 --to 2026-12-01 --dry-run",
            "burnline rerate --from 7d --where org=acme --where provider=anthropic",
            "burnline rerate --from 2026-11-01 --price-book genai-prices/0.2.3:0123456789ab",
        ),
    )(rerate)


def undo(
    import_id: Annotated[str, typer.Argument(metavar="IMPORT_ID", help="As `burnline replay` printed it.")],
    org: Annotated[str | None, typer.Option(help="Only events of this organisation.")] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    timeout: Timeout = _END_SEC,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Take back an import: none of its events (or charges, or outcomes) counts any more, in views, rollups and budgets.

    The rows stay, deleted, with a row each in the view `corrections`. Sending the same files again in the same way does
    not bring them back (they are copies of what was undone); with another --set or --shift they are other events.
    An event that the import revised counts no more at all. Alerts that were sent stay as they are. What is not stored
    yet is not undone: run burnline drain first. Ctrl-C ends the watching only: what was asked for goes on.
    """
    from deploy.budget_changes import Moved, budget_changes, fields_of
    from deploy.cli.charges import undo_charges, undo_outcomes
    from deploy.moments import in_utc
    from deploy.policy_log import in_force, read_log
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from schemas.requests import UndoRequest
    from sinks.correction_questions import import_budget_sums, import_summary

    found, now = connections(state_dir, os.environ), datetime.now(UTC)
    if any(one(found, import_id, org=org, dry_run=dry_run, as_json=as_json) for one in (undo_charges, undo_outcomes)):
        return
    asked = import_summary(import_id, org=org)
    lines = rows(found.clickhouse, asked.sql, asked.parameters)
    policies = in_force(read_log(found.kafka))
    fields = fields_of(policies)
    asked = import_budget_sums(import_id, org=org, fields=fields)
    sums = (
        Moved(
            {name: row[name] for name in fields}, in_utc(row["t"]), -row["requests"], -int(row["tokens"]),
            -row["cost_usd"],
        )
        for row in rows(found.clickhouse, asked.sql, asked.parameters)
    )  # fmt: skip
    budgets = budget_changes(policies, sums, now=now)
    summary = [
        {"day": line["day"], "model": line["model"], "events": line["events"], "tokens": int(line["tokens"]),
         "cost_before_usd": line["cost_usd"], "cost_after_usd": Decimal(0)}
        for line in lines
    ]  # fmt: skip
    told: dict[str, Any] = {"import_id": import_id, "events": sum(line["events"] for line in lines)}
    if not lines:
        say(f"nothing that counts has the import id {import_id}; burnline drain first, if it was sent a moment ago")
    if dry_run or not lines:
        show(told, summary, budgets, as_json=as_json)
        return
    request_id = new_id()
    request = UndoRequest(
        request_id=request_id, import_id=import_id, org=org or "", asked_by=actor or user_name(), asked_at=now
    )
    from deploy.asking import ask_for

    ask_for(found.kafka, request)
    follow(found, request_id, told, summary, budgets, timeout=timeout, as_json=as_json)


def rerate(
    since: Annotated[str, typer.Option("--from", help="From this moment on: a date, a time, 7d ago.")],
    until: Annotated[str | None, typer.Option("--to", help="Up to that moment, exclusive; else up to now.")] = None,
    where: Annotated[list[str] | None, typer.Option("--where", metavar="FIELD=VALUE", help=FILTER)] = None,
    price_book: Annotated[
        str, typer.Option(metavar="current|VERSION", help="Today's prices, or a book that this stack has kept.")
    ] = "current",
    dry_run: DryRun = False,
    actor: Actor = None,
    timeout: Timeout = _END_SEC,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Price what is stored anew: by the given price book, and the price rules that are in force now.

    Each event gets the price of its own time. Changed are cost_usd, list_cost_usd, ceiling_cost_usd, pricing_status and
    price_book_version of events whose money differs; as_charged_cost_usd never. Each has a row in the view
    `corrections`; views, rollups and budgets follow to the pico-dollar. Alerts that were sent stay; a threshold of an
    open period fires if the new cost reaches it. An event that changes in the meantime is left alone and counted.
    Nothing is changed before all new prices are sent: Ctrl-C before that changes nothing, afterwards it goes on.
    """
    from deploy.asking import Asker
    from deploy.budget_changes import fields_of
    from deploy.policy_log import in_force, read_log
    from deploy.rerating import Preview, new_prices
    from deploy.stack.find import connections
    from schemas.internal import to_arrow_bytes
    from schemas.requests import RerateRequest

    now = datetime.now(UTC)
    wanted = wanted_from(since, until, where or [], now)
    found = connections(state_dir, os.environ)
    policies = in_force(read_log(found.kafka))
    prices = _prices(price_book, state_dir, policies)
    preview = Preview(fields_of(policies))
    asker, request_id, offsets = Asker(found.kafka), new_id(), list[int]()
    for some in new_prices(found.clickhouse, wanted, prices, preview):
        if not dry_run:
            offsets.append(asker.news(request_id, to_arrow_bytes(some)))
    told, summary, budgets = _preview(preview, policies, prices.version, now)
    if dry_run or not offsets:
        show(told, summary, budgets, as_json=as_json)
        return
    asker.ask(
        RerateRequest(
            request_id=request_id,
            offsets=tuple(offsets),
            rows=preview.differ,
            price_book_version=prices.version,
            asked_by=actor or user_name(),
            asked_at=now,
        )
    )
    follow(found, request_id, told, summary, budgets, timeout=timeout, as_json=as_json)


def wanted_from(since: str, until: str | None, where: list[str], now: datetime) -> "Wanted":
    """The events that a correction is about. Raises: InputError: a time or a filter cannot be read."""
    from deploy.field_filters import field_filters
    from deploy.moments import moment
    from deploy.rerating import Wanted
    from schemas.errors import InputError
    from sinks.correction_questions import FILTERS

    first, last = moment(since, now=now, flag="--from"), moment(until, now=now, flag="--to") if until else now
    if last <= first:
        raise InputError(f"--to {until}: it must lie after --from {since}")
    return Wanted(since=first, until=last, filters=field_filters(where, FILTERS))


def _prices(name: str, state_dir: Path | None, policies: "Policies") -> "Prices":
    from deploy.price_books import FOLDER, kept_book
    from deploy.stack.find import find_stack
    from schemas.errors import InputError
    from streams.rating.price_rules import Prices
    from streams.rating.prices import PriceBook

    if name == "current":
        return Prices(PriceBook()).under(policies)
    stack = find_stack(state_dir, os.environ)
    if stack is None:
        raise InputError("--price-book VERSION needs the state directory of the stack that kept it: --state-dir")
    return Prices(kept_book(stack.layout.root / FOLDER, name)).under(policies)


def _preview(
    preview: "Preview", policies: "Policies", version: str, now: datetime
) -> tuple[dict[str, Any], list[dict[str, Any]], "list[BudgetChange]"]:
    from deploy.budget_changes import budget_changes

    told: dict[str, Any] = {
        "price_book_version": version,
        "events_looked_at": preview.looked_at,
        "events": preview.differ,
        "events_refused": preview.refused,
    }
    summary = [
        {"day": day, "model": model, "events": line.events, "tokens": line.tokens,
         "cost_before_usd": line.before_usd, "cost_after_usd": line.after_usd}
        for (day, model), line in sorted(preview.lines.items())
    ]  # fmt: skip
    return told, summary, budget_changes(policies, preview.budgets(), now=now)


def new_id() -> str:
    """The id of a new request."""
    from uuid import uuid4

    return uuid4().hex
