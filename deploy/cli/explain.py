"""`burnline explain`: why an alert, by which policy, and what drove the change of spend; or of any two periods."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.explained import show
from deploy.cli.output import AsJson, StateDir, examples, put_json

if TYPE_CHECKING:
    from deploy.alert_subject import Subject

Since = Annotated[str | None, typer.Option(help="Without an alert: from then on; 7d, a date or a time.")]
Until = Annotated[str | None, typer.Option(help="Up to then, exclusive; now unless given.")]
Against = Annotated[
    str | None, typer.Option(help="When the baseline begins, which is as long as the window: 14d, a date or a time.")
]
Where = Annotated[
    list[str] | None, typer.Option("--where", metavar="FIELD=VALUE", help="Only such calls: team=code. Repeat it.")
]


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "explain",
        epilog=examples(
            "burnline explain 0b1c6e0e5f8a",
            "burnline explain 0b1c6e0e5f8a --against 2d",
            "burnline explain --since 7d --where team=code",
            "burnline explain --since 2026-11-01 --until 2026-12-01 --against 2026-10-01 --json",
        ),
    )(explain)


def explain(
    alert_id: Annotated[
        str | None, typer.Argument(metavar="ALERT_ID", help="As `burnline alerts` lists it; its beginning will do.")
    ] = None,
    since: Since = None,
    until: Until = None,
    against: Against = None,
    where: Where = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Explain an alert, or the spend of a period: what changed against a baseline, driver by driver, and by whom.

    The drivers add up to the change to the last pico-USD.

    An alert of a budget's period is held against the period before, as far as it has come itself; any other against the
    same window a week before (a day before, right before, where nothing was used then).

    Of an anomaly the spending is drawn, with what was expected and from what on it is told.

    A period is held against as much time right before it.
    """
    from deploy.explaining import Explainer
    from deploy.moments import moment
    from deploy.stack.find import connections
    from schemas.errors import InputError

    if (alert_id is None) == (since is None):
        raise InputError("name an alert (burnline alerts lists them), or a period with --since")
    if alert_id is not None and (until or where):
        raise InputError("--until and --where go with --since; an alert has a window and a scope of its own")
    now = datetime.now(UTC)
    begin = moment(against, now=now, flag="--against") if against else None
    subject = None if since is None else subject_from(since, until, begin, where or [], now=now)
    explainer = Explainer(connections(state_dir, os.environ), kept_books(state_dir))
    told = explainer.spend(subject) if subject else explainer.alert(alert_id or "", now=now, baseline_since=begin)
    if as_json:
        put_json(told)
    else:
        show(told)


def kept_books(state_dir: Path | None) -> Path | None:
    """Where the stack keeps its price books; None where the state directory is not on this machine."""
    from deploy.price_books import FOLDER
    from deploy.stack.find import find_stack
    from schemas.errors import SettingsError

    try:
        stack = find_stack(state_dir, os.environ)
    except SettingsError:  # a stack of the environment that is not here; connections() has judged it already
        return None
    return None if stack is None else stack.layout.root / FOLDER


def subject_from(
    since: str, until: str | None, baseline_since: datetime | None, where: list[str], *, now: datetime
) -> "Subject":
    """The calls of a period. Raises: InputError: a time or a filter cannot be read."""
    from deploy.alert_subject import Subject, against, right_before
    from deploy.field_filters import field_filters
    from deploy.moments import moment
    from schemas.errors import InputError
    from sinks.bridge_questions import FILTERS, Span

    span = Span(moment(since, now=now), moment(until, now=now, flag="--until") if until else now)
    if span.until <= span.since:
        raise InputError(f"--until {until or 'now'}: it must lie after --since {since}")
    baseline = right_before(span) if baseline_since is None else against(span, baseline_since)
    return Subject(field_filters(where, FILTERS), span, (baseline,), with_charges=True)
