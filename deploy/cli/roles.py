"""`burnline roles`: users' rights on a ClickHouse server or cluster of your own, as SQL for its administrator."""

from typing import Annotated

import typer

from deploy.cli.output import examples, put


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command("roles", epilog=examples("burnline roles", "burnline roles --org acme --org umbrella"))(roles)


def roles(
    org: Annotated[list[str] | None, typer.Option(help="One that may see only itself; may be repeated.")] = None,
    database: Annotated[str, typer.Option(help="The database of the views.")] = "burnline",
) -> None:
    """Print the SQL that gives the sink and analysts their rights; nothing is changed. Users are yours to make.

    With --org: views of that organisation alone, in a database of their own, and a role that may read them.
    """
    from deploy.clickhouse.rights import view_names
    from deploy.clickhouse.server_roles import to_sql
    from sinks.migrate import migrations

    views = view_names(migration.text for migration in migrations())
    for statement in to_sql(views, database=database, orgs=org or []):
        put(f"{statement};")
