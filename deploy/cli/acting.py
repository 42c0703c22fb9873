"""`burnline as ROLE [COMMAND...]`: a service, a pager or an analyst's tool reaches the stack with its own rights."""

import os
import shutil
from typing import Annotated

import typer

from deploy.cli.output import StateDir, examples, put

_ROLES = "emitters (write events), subscribers (read alerts), analyst (ask ClickHouse) or operator (everything)"


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    shown = examples("burnline as emitters python checkout.py", "burnline as subscribers > pager.env")
    app.command("as", epilog=shown, context_settings={"allow_interspersed_args": False})(act)


def act(
    role: Annotated[str, typer.Argument(help=_ROLES)],
    command: Annotated[list[str] | None, typer.Argument(help="What is run; the settings are printed without.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Run a command that may do what its role may; without a command, print the settings as NAME=VALUE lines.

    They name the file of the password, never the password. A Kafka or ClickHouse of your own has your users, not these.
    """
    from deploy.stack.find import find_stack
    from deploy.stack.kafka_users import OPERATOR
    from schemas.errors import InputError, SettingsError

    kafka_roles = ("emitters", "subscribers", OPERATOR)
    if role not in {*kafka_roles, "analyst"}:
        raise InputError(f"there is no role {role!r}; choose {_ROLES}")
    stack = find_stack(state_dir, os.environ)
    if stack is None:
        raise SettingsError("no stack found here; start one with: burnline up, or name one with --state-dir")
    settings: dict[str, str] = {}
    if role in kafka_roles:
        environment = stack.environment({}, user=role)
        settings |= {name: value for name, value in environment.items() if name.startswith("BURNLINE_KAFKA_")}
    if role in {"analyst", OPERATOR}:
        asked = stack.clickhouse()
        settings |= {
            "BURNLINE_CLICKHOUSE_URL": asked.url,
            "BURNLINE_CLICKHOUSE_USER": asked.user,
            "BURNLINE_CLICKHOUSE_DATABASE": asked.database,
            **({"BURNLINE_CLICKHOUSE_PASSWORD_FILE": str(asked.password_file)} if asked.password_file else {}),
        }
    if not command:
        put("\n".join(f"{name}={value}" for name, value in sorted(settings.items())))
        return
    program = shutil.which(command[0])
    if program is None:
        raise InputError(f"there is no program {command[0]!r}")
    os.execve(program, command, {**os.environ, **settings})  # noqa: S606  the command that the user wrote
