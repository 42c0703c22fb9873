"""`burnline reconcile`: the sink compares Kafka, the ledger and the rollups, and repairs what differs."""

import os
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.reconcile import Outcome

_DAYS = 2
_BEGIN_SEC = 30.0
_END_SEC = 3600.0


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "reconcile",
        epilog=examples(
            "burnline reconcile",
            "burnline reconcile --days 30",
            "burnline reconcile --since 2026-11-01 --until 2026-12-01 --json",
        ),
    )(reconcile)


def reconcile(
    days: Annotated[
        int | None, typer.Option(min=1, max=4000, help="The last so many days of UTC; 2 unless given.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Instead: from the day of this moment on; 7d, a date.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to that day, exclusive; else up to now.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is done.")] = _END_SEC,
    begin: Annotated[float, typer.Option(help="Seconds to wait until the sink begins.")] = _BEGIN_SEC,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Let the running sink compare what Kafka still has, the ledger and its rollups, and repair what differs.

    It also does so each night by itself, for the days that were touched. Asking again changes nothing that is equal.
    Exit code 0 when the days are equal now (repaired or not), 1 when that is not known yet or could not be done.
    """
    from deploy.reconcile import Patience, ask, follow
    from deploy.stack.find import connections

    first, last = chosen_days(days=days, since=since, until=until, now=datetime.now(UTC))
    found = connections(state_dir, os.environ)
    run_id = ask(found.kafka, since=first, until=last)
    patience = Patience(begin_sec=begin, end_sec=timeout)
    outcome = follow(found.clickhouse, run_id, patience, said=lambda run: say(progress_line(run)))
    if as_json:
        put_json(
            {"reconciliation_id": run_id, **(outcome.run or {"state": "asked"}), "differences": outcome.differences}
        )
    else:
        _show(outcome, run_id)
    if outcome.run is None or outcome.run["state"] != "done":
        _explain(outcome, run_id, begin_sec=begin, end_sec=timeout)
        raise typer.Exit(1)


def chosen_days(*, days: int | None, since: str | None, until: str | None, now: datetime) -> tuple[date, date]:
    """The days of UTC that are meant, half-open; today is among the last N. Raises: InputError."""
    from deploy.moments import moment
    from schemas.errors import InputError

    if days is not None and (since or until):
        raise InputError("--days and --since/--until: choose one")
    if until is not None and since is None:
        raise InputError("--until needs --since")
    tomorrow = now.date() + timedelta(days=1)
    if since is None:
        return tomorrow - timedelta(days=days or _DAYS), tomorrow
    first = moment(since, now=now).date()
    last = moment(until, now=now, flag="--until").date() if until else tomorrow
    if last <= first:
        raise InputError(f"--until {until}: no day lies between {first} and {last}")
    return first, last


def progress_line(run: dict[str, Any]) -> str:
    """How far a run is, as a person reads it."""
    days = f", {run['days_done']} of {run['days']} days" if run["days"] else ""
    restored = f", {run['events_restored']:,} were lost and are stored again" if run["events_restored"] else ""
    return f"{run['state']}: {run['events_compared']:,} events of Kafka looked for{restored}{days}"


def _show(outcome: "Outcome", run_id: str) -> None:
    if outcome.differences:
        put_table(
            ["day (UTC)", "what", "requests before", "now", "USD before", "now", "rows repaired"],
            [
                (one["day"], one["rollup"], f"{one['requests_before']:,}", f"{one['requests_ledger']:,}",
                 f"{one['cost_before_usd']:f}", f"{one['cost_ledger_usd']:f}", one["rows_repaired"])
                for one in outcome.differences
            ],
            right=("requests before", "now", "USD before", "rows repaired"),
        )  # fmt: skip
    run = outcome.run
    if run is not None and run["state"] == "done":
        unequal = run["days_unequal"]
        verdict = f"{unequal} of {run['days']} days were unequal and are repaired" if unequal else "all equal"
        put(f"{verdict} ({run['days']} days, {run['events_compared']:,} events of Kafka; run {run_id})")


def _explain(outcome: "Outcome", run_id: str, *, begin_sec: float, end_sec: float) -> None:
    look = f"burnline sql \"SELECT * FROM reconciliations WHERE reconciliation_id = '{run_id}'\""  # noqa: S608  a text to read
    if outcome.run is None:
        say(f"the sink has not begun after {begin_sec:g} s: it is down (see burnline status) or busy with another run")
        say(f"the request is kept and done when the sink comes to it; then see: {look}")
    elif outcome.run["state"] == "running":
        say(f"not done after {end_sec:g} s; the sink goes on; see: {look}")
    else:
        say(f"failed: {outcome.run['message']}")
