"""`burnline sql` and `report`: questions to ClickHouse, read only."""

import typer


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
