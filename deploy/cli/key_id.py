"""`burnline key-id`: the id of a key under the pepper, for aliases and budgets; the key itself is shown nowhere."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import examples, put

PepperFile = Annotated[
    Path | None,
    typer.Option(
        "--pepper",
        metavar="FILE",
        envvar="BURNLINE_CREDENTIAL_PEPPER_FILE",
        help="One line, k1:SECRET: ids of keys are made under it.",
    ),
]


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command("key-id", epilog=examples("burnline key-id --pepper pepper.txt", "burnline key-id < key.txt"))(key_id)


def key_id(pepper: PepperFile = None) -> None:
    """Read a key, unseen, and print the id that its calls have: what a budget's scope or an alias names."""
    from schemas.credentials import credential_id, read_pepper
    from schemas.errors import InputError

    if pepper is None:
        raise InputError("say the pepper: --pepper FILE, or BURNLINE_CREDENTIAL_PEPPER_FILE")
    found = read_pepper(pepper)
    key = typer.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not key.strip():
        raise InputError("no key was given; type it, or send it to standard input")
    put(credential_id(key.strip(), found))
