"""`burnline forget`: a person's id is replaced by a pseudonym wherever the store names it."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.forgetting import Leftovers

_BEGIN_SEC = 30.0
_END_SEC = 3600.0


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "forget",
        epilog=examples(
            "burnline forget --user ana.diaz --org acme --dry-run",
            "burnline forget --user ana.diaz --org acme",
            "burnline forget --user ana.diaz --org acme --as forgotten:4889e07b625ee661",
        ),
    )(forget)


def forget(
    user: Annotated[str, typer.Option(help="The id as it stands in the column `user`.")],
    org: Annotated[str, typer.Option(help="The organisation of the user.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the rows; change nothing.")] = False,
    pseudonym: Annotated[
        str | None,
        typer.Option("--as", help="The pseudonym of an earlier forget; else a new one."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is done.")] = _END_SEC,
    begin: Annotated[float, typer.Option(help="Seconds to wait until the sink begins.")] = _BEGIN_SEC,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Put a new pseudonym in place of a user in every table; sums stay. What it stands for is kept nowhere.

    First see to it that nobody sends events of this user any more: new ones are a user again. Topics let the id go
    with their retention; the last date is printed. The running sink does it between its inserts, whatever dies.
    """
    from deploy.asking import ask_for
    from deploy.forgetting import leftovers, period_end, request_for, rows_by_table
    from deploy.policy_log import in_force, read_log
    from deploy.reconcile import Patience, follow
    from deploy.stack.find import connections

    found = connections(state_dir, os.environ)
    log = read_log(found.kafka)
    request = request_for(user, org, log, dry_run=dry_run, pseudonym=pseudonym)
    ends = period_end(found.clickhouse, request)
    ask_for(found.kafka, request)
    patience = Patience(begin_sec=begin, end_sec=timeout)
    outcome = follow(found.clickhouse, request.request_id, patience, said=lambda run: say(f"{run['state']}"))
    if outcome.run is None or outcome.run["state"] != "done":
        state = "has not begun" if outcome.run is None else f"says {outcome.run['state']}: {outcome.run['message']}"
        say(f"the sink {state}; the request is kept and done when the sink comes to it (run {request.request_id})")
        raise typer.Exit(1)
    rows = rows_by_table(outcome.run)
    left = leftovers(user, org, in_force(log), ends=ends, now=datetime.now(UTC))
    if as_json:
        put_json(
            {"rows": rows, "dry_run": dry_run, "pseudonym": None if dry_run else request.pseudonym,
             "policies": left.policies, "again_after": left.again_after, "kafka_until": left.kafka_until}
        )  # fmt: skip
        return
    put_table(["table", "rows that name the user"], sorted(rows.items()), right=("rows that name the user",))
    put("nothing was changed" if dry_run else f"they name {request.pseudonym} instead")
    if rows.get("charges_store"):
        put("internal.charges keeps the newest of each charge: send a revision of those without the user")
    if any(rows.values()):
        _show_until(left, request.pseudonym)
    for name in left.policies:
        put(f"policy {name} names the user: change or remove it with burnline apply")


def _show_until(left: "Leftovers", pseudonym: str) -> None:
    until = f"{left.again_after:%Y-%m-%d %H:%M}"
    put(f"what runs may say the id until {until} UTC; then run this once more, with --as {pseudonym}")
    put(f"the last topic lets it go by {left.kafka_until:%Y-%m-%d}; internal.checkpoints when newer ones fill it")
