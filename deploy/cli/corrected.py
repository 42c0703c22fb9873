"""How `burnline undo`, `rerate` and `reattribute` show what changes, and watch the sink do it."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from deploy.cli.output import put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.budget_changes import BudgetChange
    from deploy.stack.find import Connections

_BEGIN_SEC = 30.0


def follow(
    found: "Connections",
    request_id: str,
    told: dict[str, Any],
    summary: list[dict[str, Any]],
    budgets: "list[BudgetChange]",
    *,
    timeout: float,
    as_json: bool,
) -> None:
    """The correction is watched until it has ended, then shown. Raises: typer.Exit: it is not done well by then."""
    from deploy.correcting import follow as followed
    from deploy.reconcile import Patience

    look = f"burnline sql \"SELECT * FROM correction_runs WHERE correction_id = '{request_id}'\""  # noqa: S608  a text to read
    say(f"asked for, as {request_id}; it goes on without this command: {look}")
    patience = Patience(begin_sec=min(_BEGIN_SEC, timeout), end_sec=timeout)
    run = followed(found.clickhouse, request_id, patience, said=lambda one: say(_progress(one)))
    show(told | {"correction_id": request_id, "run": run}, summary, budgets, as_json=as_json)
    if run is None or run["state"] != "done":
        if run is None:
            say("the sink has not begun: it is down (see burnline status) or busy; the request is kept")
        elif run["state"] == "failed":
            say(f"failed: {run['message']}")
        raise typer.Exit(1)


def _progress(run: dict[str, Any]) -> str:
    alone = f", {run['events_left_alone']:,} had changed and are left alone" if run["events_left_alone"] else ""
    return f"{run['state']}: {run['events_changed']:,} of {run['events']:,} events{alone}, {run['days']} days equal"


def show(told: dict[str, Any], summary: list[dict[str, Any]], budgets: "list[BudgetChange]", *, as_json: bool) -> None:
    """What changes, by day and model or team, and in which budgets; for a person, or as JSON."""
    if as_json:
        put_json({**told, "changes": summary, "budgets": [one.as_json() for one in budgets]})
        return
    moved = bool(summary) and "team_after" in summary[0]
    if moved:
        put_table(
            ["day (UTC)", "team before", "team after", "events", "USD"],
            [
                (one["day"], one["team_before"], one["team_after"], f"{one['events']:,}", f"{one['cost_usd']:f}")
                for one in summary
            ],
            right=("events", "USD"),
        )
    elif summary:
        put_table(
            ["day (UTC)", "model", "events", "tokens", "USD before", "USD after"],
            [
                (one["day"], one["model"], f"{one['events']:,}", f"{one['tokens']:,}", f"{one['cost_before_usd']:f}",
                 f"{one['cost_after_usd']:f}")
                for one in summary
            ],
            right=("events", "tokens", "USD before", "USD after"),
        )  # fmt: skip
    if budgets:
        put("")
        put_table(
            ["org", "budget", "member", "period", "since (UTC)", "unit", "change"],
            [
                (one.org, one.budget_id, one.member, one.period, f"{one.period_start:%Y-%m-%d %H:%M}", one.unit,
                 f"{one.change:+f}")
                for one in budgets
            ],
            right=("change",),
        )  # fmt: skip
    run = told.get("run")
    did = "would change" if run is None else "changed" if run["state"] == "done" else "are to change"
    what = f"{sum((one['cost_usd'] for one in summary), Decimal(0)):f} USD in all" if moved else _costs(summary)
    put(f"{told['events'] if run is None else run['events_changed']:,} events {did}: {what}")
    if told.get("events_refused"):
        put(f"{told['events_refused']:,} would cost 1,000,000 USD or more each and stay as they are")


def _costs(summary: list[dict[str, Any]]) -> str:
    before, after = (sum((one[name] for one in summary), Decimal(0)) for name in ("cost_before_usd", "cost_after_usd"))
    return f"{before:f} -> {after:f} USD"
