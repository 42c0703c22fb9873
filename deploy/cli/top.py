"""`burnline top`: what burns now, which budgets it takes, which alerts are open."""

import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, say

if TYPE_CHECKING:
    from deploy.stack.find import Connections
    from deploy.top.bands import Bands
    from deploy.top.picture import Picture
    from deploy.top.reading import Wanted

_PIPE_WIDTH = 240


class By(StrEnum):
    """What is shown, a line each; people only within a team."""

    TEAM = "team"
    AGENT = "agent"
    CREDENTIAL = "credential"
    MODEL = "model"
    USE_CASE = "use_case"
    RUN = "run"
    PROJECT = "project"
    BUSINESS_UNIT = "business_unit"
    COST_CENTER = "cost_center"
    USER = "user"


class Sort(StrEnum):
    """What comes first."""

    USD = "usd"
    REQUESTS = "requests"
    NAME = "name"


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    lines = (
        "burnline top",
        "burnline top --by agent --sort requests",
        "burnline top --team code --once",
        "burnline top --once --json",
    )
    app.command("top", epilog=examples(*lines))(top)


def top(
    by: Annotated[By | None, typer.Option(help="One kind instead of teams, agents, use cases and runs.")] = None,
    team: Annotated[str | None, typer.Option(help="Only this team: its users, or what --by says.")] = None,
    org: Annotated[str | None, typer.Option(help="Only this organisation.")] = None,
    sort: Annotated[Sort, typer.Option(help="What comes first; by name, people are in no ranking.")] = Sort.USD,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1000, help="At most so many lines a table; 5 in the overview, else 20.")
    ] = None,
    every: Annotated[float, typer.Option(min=1, max=3600, metavar="S", help="Look again so often.")] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="Print it once as plain text; so it is without a terminal.")
    ] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what burns now: rates of the last five minutes, the last hour, budgets, open alerts.

    Calls without a price cost an unknown amount: + says that they come on top, ? that nothing here has a price. On a
    terminal it stays until q or Ctrl-C; s changes the order, b what is shown.
    """
    from deploy.stack.find import connections
    from deploy.top.bands import Bands
    from deploy.top.reading import Wanted, read
    from schemas.errors import InputError

    if by is By.USER and team is None:
        raise InputError("users are shown within a team only: name it with --team")
    wanted = Wanted(by=by.value if by else None, team=team, org=org, sort=sort.value, limit=limit)
    found = connections(state_dir, os.environ)
    bands = Bands(found)
    if once or as_json or not _is_screen():
        now = datetime.now(UTC)
        picture = bands.upon(read(found.clickhouse, wanted, now=now), now=now)
        if bands.trouble:
            say(bands.trouble)
        if as_json:
            put_json(to_json(picture, now=now))
        else:
            _print(picture, now=now)
        return
    _watch(found, bands, wanted, every_sec=every)


def _watch(found: "Connections", bands: "Bands", wanted: "Wanted", *, every_sec: float) -> None:
    """The first picture comes without bands, which take longer."""
    from deploy.top.live import watch
    from deploy.top.reading import read

    first = True

    def look(chosen: "Wanted") -> "Picture":
        nonlocal first
        now = datetime.now(UTC)
        picture = read(found.clickhouse, chosen, now=now)
        seen, first = first, False
        return picture if seen else bands.upon(picture, now=now)

    watch(look, wanted, every_sec=every_sec)


def _is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def _print(picture: "Picture", *, now: datetime) -> None:
    import shutil

    from deploy.top.lines import lines

    width = shutil.get_terminal_size((_PIPE_WIDTH, 1)).columns
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines(picture, now=now, width=width):
        put(line.text.encode(encoding, "replace").decode(encoding))


def to_json(picture: "Picture", *, now: datetime) -> dict[str, Any]:
    """The picture as plain values with exact amounts, and how old it is in seconds."""
    return {"now": now, "age_sec": picture.age_sec(now), "behind": picture.is_behind(now), **asdict(picture)}
