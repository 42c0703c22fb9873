"""`burnline reconcile-provider`: the provider's own usage and cost reports against our ledger."""

import os
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from schemas.provider_usage import ProviderReport
    from sinks.provider_reconcile import Line


class Provider(StrEnum):
    """Whose reports can be read."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "reconcile-provider",
        epilog=examples(
            "burnline reconcile-provider usage-*.json costs.json",
            "burnline reconcile-provider messages.jsonl --provider anthropic --since 2026-11-01 --max-drift 0.5%",
        ),
    )(reconcile_provider)


def reconcile_provider(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Saved pages of the admin API, JSON.")],
    provider: Annotated[Provider | None, typer.Option(help="Refuse reports of any other provider.")] = None,
    since: Annotated[str | None, typer.Option(help="From that day of UTC on: 7d, a date.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to that day of UTC, exclusive.")] = None,
    max_drift: Annotated[str, typer.Option(help="What passes, as a share of theirs: 1%, 0.002, 0.")] = "1%",
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare usage and cost reports of OpenAI or Anthropic with the ledger, per day of UTC, model and token class.

    Files are what the admin API gave: one page, a list of pages, JSON lines. Group them by model.
    Exit code 0 when all lies within --max-drift, 1 when something drifts or is missing on either side.
    """
    from deploy.moments import in_utc, moment
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from producers.provider_reports.reading import read_reports, within
    from schemas.errors import InputError
    from sinks.provider_reconcile import compare, ours_between, ours_from

    now, allowed = datetime.now(UTC), share(max_drift)
    report = within(
        read_reports({str(path): _text(path) for path in files}, provider=provider),
        since=moment(since, now=now) if since else None,
        until=moment(until, now=now, flag="--until") if until else None,
    )
    if not report.spans:
        raise InputError("the reports cover no day in that time, so there is nothing to compare")
    asked = ours_between(report.provider, report.spans)
    answered = rows(connections(state_dir, os.environ).clickhouse, asked.sql, asked.parameters)
    found = [row | {"t": in_utc(row["t"])} for row in answered]
    lines = compare(report, ours_from(found, report), max_drift=allowed)
    _show(report, lines, as_json=as_json)
    if any(line.verdict != "ok" for line in lines):
        raise typer.Exit(1)


def share(text: str) -> Decimal:
    """The share that `1%` or `0.01` means, exact. Raises: InputError: it is neither, or not from 0 to 1."""
    from schemas.errors import InputError

    try:
        found = Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        if 0 <= found <= 1:
            return found
    except InvalidOperation:
        pass
    raise InputError(f"--max-drift {text}: write a share like 1%, 0.002 or 0")


def _text(path: Path) -> str:
    from schemas.errors import InputError

    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None


def _show(report: "ProviderReport", lines: "list[Line]", *, as_json: bool) -> None:
    from sinks.provider_reconcile import coverage_of

    covered = {name: coverage_of(lines, name) for name in ("input_tokens", "output_tokens", "cost_usd")}
    wrong = sum(line.verdict != "ok" for line in lines)
    if as_json:
        put_json(
            {
                "provider": report.provider,
                "notes": report.notes,
                "coverage": {name: None if some is None else f"{some:.6f}" for name, some in covered.items()},
                "lines": [_json(line) for line in lines],
            }
        )
        return
    for note in report.notes:
        say(f"note: {note}")
    put_table(
        ["day (UTC)", "model", "class", "theirs", "ours", "drift", ""],
        [(line.day, line.model, line.measure.removesuffix("_tokens"), _amount(line.theirs), _amount(line.ours),
          "-" if line.drift is None else f"{line.drift:+.3%}", line.verdict) for line in lines],
        right=("theirs", "ours", "drift"),
    )  # fmt: skip
    told = ", ".join(f"{name} {some:.3%}" for name, some in covered.items() if some is not None)
    passed = f"{len(lines) - wrong} of {len(lines)} comparisons pass"
    put(f"{report.provider}: {passed}; coverage: {told or 'nothing to compare'}")


def _json(line: "Line") -> dict[str, str | None]:
    exact = {name: None if (some := getattr(line, name)) is None else f"{some:f}" for name in ("theirs", "ours")}
    shares = {name: None if (some := getattr(line, name)) is None else f"{some:.6f}" for name in ("drift", "coverage")}
    named: dict[str, str | None] = {
        "day": str(line.day),
        "model": line.model,
        "class": line.measure,
        "verdict": line.verdict,
    }
    return named | exact | shares


def _amount(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:,f}".rstrip("0").rstrip(".") if amount % 1 else f"{amount:,.0f}"
