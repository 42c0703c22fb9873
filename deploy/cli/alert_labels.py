"""`burnline alerts label`: what an alert was: right, nothing, or planned."""

import getpass
import os
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json


class Label(Enum):
    """What can be said of an alert."""

    CONFIRM = "confirm"
    DISMISS = "dismiss"
    PLANNED = "planned"


def register(group: typer.Typer) -> None:
    """The command is part of `burnline alerts`."""
    lines = (
        "burnline alerts label 1c2d6e0e5f8a confirm",
        'burnline alerts label 1c2d6e0e5f8a dismiss --note "a load test" --by dana',
    )
    group.command("label", epilog=examples(*lines))(label)


def label(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="As `burnline alerts` shows it.")],
    what: Annotated[Label, typer.Argument(metavar="confirm|dismiss|planned", help="It was right, nothing, planned.")],
    note: Annotated[str | None, typer.Option(help="What to say to it.")] = None,
    by: Annotated[str | None, typer.Option(help="Who says so; your user name unless given.")] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    r"""Say what an alert was. It stands in the policies, with who said it, and in the view `alert_labels`.

    `burnline backtest` counts them by rule; planned ones were nothing to tell, as dismissed ones. The last word counts;
    it may be said of what is over.

    Spending that is yet to come is announced with \[\[planned]] in a policy file.
    """
    from deploy.labelling import label_of, say_label
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from sinks.queries import alert_history

    found = connections(state_dir, os.environ)
    question = alert_history(alert_id)
    transitions = rows(found.clickhouse, question.sql, question.parameters)
    said = label_of(alert_id, transitions, what.value, by=by or getpass.getuser(), note=note)
    offset = say_label(found.kafka, said, actor=getpass.getuser(), now=datetime.now(UTC))
    if as_json:
        put_json({"labelled": said.model_dump(mode="json"), "policy_offset": offset})
    elif offset is None:
        put("nothing changed: that was said already")
    else:
        put(f"{said.label}, says {said.by}: {said.id} (policy offset {offset})")
