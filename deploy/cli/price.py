"""`burnline price`: why an event costs what it costs, leaf by leaf. Needs no stack."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table

if TYPE_CHECKING:
    from streams.rating.price_rules import Prices


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "price",
        epilog=examples(
            "burnline price event.json",
            "burnline price event.json --policies prices.toml --at 2026-01-01",
            "burnline replay openai body.json --set org=acme time=2026-11-22T09:00:00Z --dry-run | burnline price -",
        ),
    )(price)


def price(
    event: Annotated[str, typer.Argument(metavar="EVENT.json|-", help="A usage event, or one per line; - reads them.")],
    policies: Annotated[
        list[Path] | None, typer.Option("--policies", metavar="FILE", help="Policy files with price rules; repeat it.")
    ] = None,
    in_force: Annotated[bool, typer.Option("--in-force", help="Under the price rules that the stack has.")] = False,
    at: Annotated[str | None, typer.Option(help="As if the call had been made then: a date, a time, 7d ago.")] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Explain the price of an event: each leaf's tokens, rate, source of the rate and how long it holds; the sums."""
    from deploy.moments import moment
    from deploy.price_explained import explained
    from schemas.errors import InputError

    if policies and in_force:
        raise InputError("--policies and --in-force: choose one")
    now = datetime.now(UTC)
    prices = _prices(policies or [], state_dir if in_force else None, in_force=in_force)
    when = moment(at, now=now, flag="--at") if at else None
    found = list(explained(_events(event), prices, now=now, at=when))
    if as_json:
        put_json(found[0] if len(found) == 1 else found)
    else:
        for one in found:
            _show(one)
    if any("dead_letter" in one for one in found):
        raise typer.Exit(1)


def _prices(files: Sequence[Path], state_dir: Path | None, *, in_force: bool) -> "Prices":
    from deploy.apply import load
    from deploy.policy_files import read_policies
    from schemas.prices import PriceRule
    from streams.rating.price_rules import Prices
    from streams.rating.prices import PriceBook

    book = Prices(PriceBook())
    if files:
        rules = read_policies([load(path) for path in files])
        return Prices(book.book, [rule for rule in rules if isinstance(rule, PriceRule)])
    if not in_force:
        return book
    from deploy.policy_log import in_force as everything
    from deploy.policy_log import read_log
    from deploy.stack.find import connections

    return book.under(everything(read_log(connections(state_dir, os.environ).kafka)))


def _events(path: str) -> list[dict[str, Any]]:
    """The events of a file: one JSON document, or one on each line."""
    from schemas.errors import InputError

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    try:
        found = list(_documents(text))
    except ValueError as error:
        raise InputError(f"{path} holds no JSON: {error}") from error
    events = found[0] if len(found) == 1 and isinstance(found[0], list) else found
    if not events or not all(isinstance(one, dict) for one in events):
        raise InputError(f"{path}: write a usage event, a list of them, or one per line")
    return events


def _documents(text: str) -> Iterator[Any]:
    try:
        yield json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        yield from (json.loads(line) for line in lines)


def _show(one: dict[str, Any]) -> None:
    if "dead_letter" in one:
        put(f"refused: {one['dead_letter']['reason']}: {one['dead_letter']['message']}")
        return
    put(f"{one['provider']} {one['model']} for {one['org']} at {one['time']}")
    head = ["part", "count", "USD", "per", "cost USD", "valid", "source"]
    rows = [
        [part["part"], part["count"], part["rate_usd"], part["per"], part["cost_usd"], _validity(part), part["source"]]
        for part in one["parts"]
    ]
    put_table(head, rows, right=("count", "USD", "cost USD"))
    put("")
    by = "" if one["rule"] is None else f", by {one['rule']}"
    put(f"status      {one['pricing_status']}{by}")
    for name, label in _SUMS.items():
        if one[name] is not None:
            put(f"{label:<12}{one[name]}")
    put(f"price book  {one['price_book_version']}")
    for note in one["notes"]:
        put(f"note        {note}")


_SUMS = {
    "cost_usd": "cost USD",
    "list_cost_usd": "list USD",
    "ceiling_cost_usd": "at most USD",
    "reported_cost_usd": "reported",
}


def _validity(part: dict[str, Any]) -> str:
    since, until = part["valid_from"], part["valid_until"]
    if since is None and until is None:
        return "always"
    return f"{_day(since) if since else ''} to {_day(until) if until else ''}".strip()


def _day(at: str) -> str:
    return at[:10] if "T00:00:00" in at else at[:16].replace("T", " ")
