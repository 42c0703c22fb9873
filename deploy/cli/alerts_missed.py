"""`burnline alerts would-have-fired`: what budgets would have said of old events, had they come when they happened."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table

if TYPE_CHECKING:
    from deploy.backfill.answer import Missed

_SHOWN_ID = 12
_SHOWN = 1000
_BY = {"rules": "a change of the budget", "clock": "time", "charges": "a charge's day"}


def register(group: typer.Typer) -> None:
    """The command is part of `burnline alerts`."""
    lines = (
        "burnline alerts would-have-fired --import import-1c2d6e0e5f8a9b3d",
        "burnline alerts would-have-fired --since 2026-01-01 --until 2026-07-01 --rules now",
        "burnline alerts would-have-fired --since 90d --org acme --budget code-monthly --unsaid --json",
    )
    group.command("would-have-fired", epilog=examples(*lines))(would_have_fired)


def would_have_fired(
    import_id: Annotated[
        str | None, typer.Option("--import", metavar="ID", help="What this import made fire, or fire earlier.")
    ] = None,
    since: Annotated[str, typer.Option(help="Crossed from then on; 90d, a date or a time.")] = "30d",
    until: Annotated[str | None, typer.Option(help="Crossed before then; now unless given.")] = None,
    org: Annotated[str | None, typer.Option(help="Budgets of this organisation only.")] = None,
    budget: Annotated[str | None, typer.Option(help="This budget only.")] = None,
    rules: Annotated[
        Literal["then", "now"],
        typer.Option(help="Budgets as they were at each time; or those of today, as if they had held always."),
    ] = "then",
    unsaid: Annotated[bool, typer.Option("--unsaid", help="Only what no alert has said.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Look back over the ledger: which thresholds and commitments its events would have made fire, and when.

    Events that come long after they happened count in their periods, but of periods that are over nothing fires. This
    says what would have: burn's own rules over the sums of the ledger, to the event that crossed each threshold.

    `said` is the alert that did fire. Nothing is sent to anybody, and nothing is kept: the answer is of the ledger as
    it is now.
    """
    from deploy.backfill.answer import missed, missed_by_import
    from deploy.backfill.reading import asks
    from deploy.backfill.rules import rules_now, rules_then
    from deploy.moments import moment
    from deploy.policy_log import read_log
    from deploy.stack.find import connections
    from sinks.backfill_questions import Span

    where, now = connections(state_dir, os.environ), datetime.now(UTC)
    chosen = (rules_then if rules == "then" else rules_now)(read_log(where.kafka), org=org, budget=budget)
    ask = asks(where.clickhouse)
    if import_id is not None:
        found = missed_by_import(ask, chosen, import_id, now=now)
    else:
        end = now if until is None else moment(until, now=now, flag="--until")
        found = missed(ask, chosen, Span(moment(since, now=now), end))
    if unsaid:
        found = [one for one in found if not one.said]
    if as_json:
        put_json([one.as_json() for one in found])
        return
    show(found, by_import=import_id is not None, rules=rules)


def show(found: "list[Missed]", *, by_import: bool, rules: str) -> None:
    """The lines as a person reads them, times in UTC."""
    if not found:
        put("nothing would have fired")
        if rules == "then":
            put("budgets that were made later are asked with --rules now")
        return
    head = ["at (UTC)", "org", "budget", "member", "period", "level", "spent", "unit", "by", "said"]
    head += ["without the import"] if by_import else []
    put_table(head, [_cells(one, by_import=by_import) for one in found[:_SHOWN]], right=("spent",))
    if len(found) > _SHOWN:
        put(f"... and {len(found) - _SHOWN:,} more; --json has them all")
    quiet = sum(not one.said for one in found)
    put(f"{len(found):,} would have fired; {quiet:,} of them nobody was told of")


def _cells(one: "Missed", *, by_import: bool) -> list[str]:
    from deploy.cli.alerts import rule_of
    from streams.burn.amounts import shown

    alert, event = one.alert, one.crossed.event
    by = _BY.get(one.cause, one.cause) if event is None else f"{event.source} {event.id}"
    cells = [
        f"{one.crossed.at:%Y-%m-%d %H:%M:%S}", alert.org, alert.budget_id or "", alert.member or "-",
        "-" if alert.period_start is None else f"{alert.period_start:%Y-%m-%d %H:%M}",
        rule_of(alert.rule, alert.level) + ("" if alert.basis == "actual" else f" ({alert.basis})"),
        shown(one.crossed.value, "usd" if alert.unit == "usd" else "tokens"), alert.unit, by,
        one.said[0][:_SHOWN_ID] if one.said else "no",
    ]  # fmt: skip
    without = "never" if one.without_import is None else f"{one.without_import:%Y-%m-%d %H:%M:%S}"
    return [*cells, without] if by_import else cells
