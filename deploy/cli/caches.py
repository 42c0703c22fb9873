"""`burnline caches`: what prompt caches saved, by provider and model."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table

_LEGEND = (
    "saved: what the tokens that were read would have cost more uncached; paid: what those written cost more;\n"
    "unknown: tokens without a known rate, in no sum. What would have been sent without a cache nobody knows."
)


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    lines = ("burnline caches --since 30d", "burnline caches --where team=code --json")
    app.command("caches", epilog=examples(*lines))(caches)


def caches(
    since: Annotated[str, typer.Option(help="Calls from then on: 24h, 7d, a date or a time.")] = "30d",
    until: Annotated[str | None, typer.Option(help="Up to then, exclusive; now unless given.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="FIELD=VALUE", help="Only such calls: team=code. Repeat it.")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what prompt caches of providers returned: saved by reading, less what writing cost, at the prices then."""
    from deploy.bridging import PricesThen
    from deploy.caching import cache_returns
    from deploy.cli.explain import kept_books
    from deploy.field_filters import field_filters
    from deploy.moments import moment
    from deploy.policy_log import read_log
    from deploy.stack.find import connections
    from schemas.errors import InputError
    from sinks.bridge_questions import FILTERS, Span

    now = datetime.now(UTC)
    span = Span(moment(since, now=now), moment(until, now=now, flag="--until") if until else now)
    if not span.since < span.until:
        raise InputError(f"--since {since} is not before --until {until}")
    stack = connections(state_dir, os.environ)
    prices = PricesThen(kept_books(state_dir), read_log(stack.kafka))
    lines = cache_returns(stack.clickhouse, span, field_filters(where or [], FILTERS), prices)
    missing = sorted(prices.missing)
    if as_json:
        put_json({"since": span.since, "until": span.until, "caches": lines, "price_books_missing": missing})
        return
    if not lines:
        put("no call read from a provider's cache or wrote into one")
        return
    head = ["provider", "model", "read", "written", "saved USD", "paid USD", "return USD", "unknown"]
    cells = [
        [
            line["provider"], line["model"], f"{line['read_tokens']:,}", f"{line['written_tokens']:,}",
            *(f"{line[name]:,.2f}" for name in ("saved_usd", "paid_usd", "return_usd")),
            f"{line['unknown_tokens']:,}",
        ]
        for line in lines
    ]  # fmt: skip
    put_table(head, cells, right=head[2:])
    put(_LEGEND)
    for version in missing:
        put(f"the price book {version} was not found: the nearest prices stand in")
