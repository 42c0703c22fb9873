"""`burnline alerts`: what was raised, and what is raised now."""

import typer


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
