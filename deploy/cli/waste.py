"""`burnline waste`: what was spent for nothing, how well that is proven, and what it is in a year."""

import os
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table

_LEGEND = (
    "recoverable: only what is proven. A call has one finding at most; discovery, samples and evaluations have none.\n"
    "Prompts are never read: calls without fingerprints, status or latency are not judged."
)


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "waste",
        epilog=examples("burnline waste --since 30d", "burnline waste --by team,model --where evidence=proven --json"),
    )(waste)


def waste(
    by: Annotated[str, typer.Option(metavar="team,model", help="Beside kind and evidence.")] = "",
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="Only this org, team, kind, evidence, ...")
    ] = None,
    since: Annotated[str, typer.Option(help="Calls from then on: 24h, 7d, a date or a time.")] = "30d",
    until: Annotated[str | None, typer.Option(help="Up to then, exclusive; now unless given.")] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show waste that can be defended: by fingerprints, attempts and outcomes, never by text.

    Kinds: failed_attempt, regenerated_after_acceptance, duplicate (proven); missed_prompt_cache, empty_input,
    over_tiered_model (likely); context_resend, trivial_input (possible). docs/value.md says what each is, and is not.
    """
    from deploy.field_filters import field_filters
    from deploy.moments import moment
    from deploy.stack.find import connections
    from deploy.valuing import wasted
    from schemas.errors import InputError
    from sinks.value_questions import WASTE_FILTERS

    now = datetime.now(UTC)
    first, last = moment(since, now=now), moment(until, now=now, flag="--until") if until else now
    if not first < last:
        raise InputError(f"--since {since} is not before --until {until}")
    found = wasted(
        connections(state_dir, os.environ).clickhouse,
        [name.strip() for name in by.split(",") if name.strip()],
        since=first,
        until=last,
        filters=field_filters(where or [], WASTE_FILTERS),
    )
    if as_json:
        put_json(found)
        return
    show(found)


def show(found: dict[str, Any]) -> None:
    """The findings as a person reads them."""
    lines, by = found["findings"], found["by"]
    if not lines:
        put("nothing was found that can be defended as waste")
        return
    head = ["kind", "evidence", *by, "calls", "cost USD", "recoverable", "a year"]
    rows = [
        [
            line["kind"],
            line["evidence"],
            *(line[name] or "-" for name in by),
            f"{line['events']:,}",
            *(
                None if line[name] is None else f"{line[name]:,.2f}"
                for name in ("cost_usd", "recoverable_usd", "recoverable_usd_per_year")
            ),
        ]
        for line in lines
    ]
    put_table(head, rows, right=head[2 + len(by) :])
    recoverable = sum(line["recoverable_usd"] or 0 for line in lines)
    if found["spent_usd"]:
        share = 100 * recoverable / found["spent_usd"]
        put(f"{recoverable:,.2f} of {found['spent_usd']:,.2f} USD are proven waste ({share:.1f} %)")
    put(_LEGEND)
