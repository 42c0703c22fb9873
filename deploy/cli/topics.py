"""`burnline topics plan|apply`: what an administrator has to create, and creation of what is missing."""

import os
from typing import Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, say


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    group = typer.Typer(help="Topics and rights on the broker.", no_args_is_help=True)
    group.command(
        "plan", epilog=examples("burnline topics plan", "burnline topics plan --principal rating=User:alice")
    )(show_plan)
    group.command("apply", epilog=examples("burnline topics apply"))(apply)
    app.add_typer(group, name="topics")


def show_plan(
    principal: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NAME", help="Who a role is on this broker; User:<role> unless given."),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Print topics, their settings and the rights of each role, for an administrator; nothing is changed."""
    from deploy.stack.find import connections
    from deploy.topics_plan import as_text, command_lines, plan
    from schemas.connection import KafkaSettings
    from schemas.errors import InputError, SettingsError

    try:
        kafka = connections(state_dir, os.environ).kafka
    except SettingsError:
        if state_dir is not None:
            raise
        kafka = KafkaSettings()
    names: dict[str, str] = {}
    for pair in principal or []:
        role, equals, name = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--principal {pair}: write ROLE=NAME, like rating=User:alice")
        names[role] = name
    found = plan(
        topic_prefix=kafka.topic_prefix, group_prefix=kafka.group_prefix, replication_factor=kafka.replication_factor
    )
    commands = command_lines(found, bootstrap_servers=kafka.bootstrap_servers, principals=names)
    if as_json:
        put_json({**found.to_json(), "commands": commands})
    else:
        put(as_text(found, commands))


def apply(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Create the topics that are missing; never deletes or alters one, but says what differs.

    Exit code 0 when all topics are there as planned.
    """
    from deploy.stack.find import connections
    from deploy.topics_admin import apply_topics

    report = apply_topics(connections(state_dir, os.environ).kafka)
    if as_json:
        put_json({"created": report.created, "missing": report.missing, "differences": report.differences})
    else:
        put(f"created {len(report.created)}: {', '.join(report.created)}" if report.created else "nothing to create")
        for difference in report.differences:
            say(f"differs: {difference}")
    if not report.fits():
        raise typer.Exit(1)
