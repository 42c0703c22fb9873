"""`burnline alerts ack`: somebody takes an alert on, so that it goes to nobody else."""

import getpass
import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json


def register(group: typer.Typer) -> None:
    """The command is part of `burnline alerts`."""
    lines = ("burnline alerts ack 1c2d6e0e5f8a", 'burnline alerts ack 1c2d6e0e5f8a --by dana --note "a load test"')
    group.command("ack", epilog=examples(*lines))(ack)


def ack(
    alert_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As `burnline alerts` shows them.")],
    by: Annotated[str | None, typer.Option(help="Who takes it on; your user name unless given.")] = None,
    note: Annotated[str | None, typer.Option(help="What to say to it.")] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Take alerts on: they are `acknowledged`, and escalate to nobody. It stands in the policies, with who did it."""
    from deploy.acknowledging import By, acknowledge, acknowledgement_of
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from sinks.queries import alert_history

    found = connections(state_dir, os.environ)
    who = By(by or getpass.getuser(), note)
    taken = []
    for asked in alert_ids:
        question = alert_history(asked)
        taken.append(acknowledgement_of(asked, rows(found.clickhouse, question.sql, question.parameters), who))
    offset = acknowledge(found.kafka, taken, actor=getpass.getuser(), now=datetime.now(UTC))
    if as_json:
        put_json({"acknowledged": [one.model_dump(mode="json") for one in taken], "policy_offset": offset})
    elif offset is None:
        put("nothing changed: acknowledged already")
    else:
        for one in taken:
            put(f"acknowledged by {one.by}: {one.id} (policy offset {offset})")
