"""`burnline replay` and `simulate`: usage from files into `usage.events`, and a made-up company's day as a file."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from deploy.cli.output import AsJson, StateDir, examples, json_value, put, put_json, say

if TYPE_CHECKING:
    from producers.outcome import Outcome
    from producers.plan import Plan

_OLD = timedelta(hours=1)
"""Events older than that are backfill unless the policies say otherwise: of periods that are over they fire nothing."""
_PAIR = re.compile(r"[a-z_]+=.*", re.DOTALL)


class _ReplayCommand(TyperCommand):
    """`--set a=1 b=2` is `--set a=1 --set b=2`: an option takes one value, and people write several."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  private classes of typer
        """The help names every format; they are looked up only here, so that other commands stay quick."""
        from producers.formats import FORMATS

        told = self.help
        self.help = f"{told}\n\nFormats: {', '.join(sorted(FORMATS))}."
        super().format_help(ctx, formatter)
        self.help = told

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  a private class of typer
        return super().parse_args(ctx, spread_sets(args))


def spread_sets(arguments: list[str]) -> list[str]:
    """The arguments with `--set` before each of the name=value that follow one `--set`."""
    spread: list[str] = []
    within = False
    for argument in arguments:
        if argument == "--set":
            within = True
            continue
        if within and _PAIR.fullmatch(argument):
            spread += ["--set", argument]
            continue
        if within and (not spread or spread[-2:-1] != ["--set"]):
            spread.append("--set")  # nothing followed it: let the parser say so
        within = False
        spread.append(argument)
    if within and (not spread or spread[-2:-1] != ["--set"]):
        spread.append("--set")
    return spread


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    app.command(
        "replay",
        cls=_ReplayCommand,
        epilog=examples(
            "burnline replay azure-llm trace.csv --set org=acme team=code model=gpt-4o provider=openai",
            "burnline replay burnline events.jsonl --at now --speed 60x",
            "burnline replay burnline events.jsonl --dry-run | head",
            "burnline replay servegen m-small --share 0.001 --set org=acme provider=openai model=gpt-4o",
            "burnline replay charges contracts.csv --set org=acme --dry-run",
            "burnline replay github deliveries.jsonl --set org=acme team=code",
        ),
    )(replay)
    app.command("simulate", epilog=examples("burnline simulate --out day --events 20000 --seed 7"))(simulate)


def replay(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help="What the files are; see below.")],
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, or folders of them.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE...", help="Fields of every event.")
    ] = None,
    speed: Annotated[str, typer.Option(help="max, 1x, or another multiple like 60x.")] = "max",
    at: Annotated[str, typer.Option(help="original, or now: move time so that the last event is now.")] = "original",
    shift: Annotated[str | None, typer.Option(help="Move time by this much, as an earlier replay printed.")] = None,
    share: Annotated[
        float | None, typer.Option(help="Of formats whose events are drawn (servegen): this share of them, like 0.001.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the events, priced leaf by leaf, and send nothing; needs no stack.")
    ] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Send usage, charges or outcomes from files into Burnline. A second replay of the same files changes nothing.

    Ids come from content, row, --set and shift. Exit code 1 when rows were not acknowledged, or every row was skipped.
    """
    from producers.formats import dialect
    from producers.plan import SET_CHECKS
    from producers.replay import parse_sets, parse_shift, parse_speed, prepare, run
    from schemas.errors import InputError

    if at not in {"original", "now"}:
        raise InputError(f"--at {at}: write original or now")
    now = datetime.now(UTC)
    factor = parse_speed(speed)
    plan = prepare(
        format_name,
        paths,
        now=now,
        sets=parse_sets(sets or [], check=SET_CHECKS.get(dialect(format_name).topic)),
        at="now" if at == "now" else "original",
        shift=parse_shift(shift) if shift is not None else None,
        share=share,
    )
    if dry_run:
        _dry_run(plan, now)
        return
    from deploy.cli.progress import shown_progress
    from deploy.stack.find import connections

    kafka = connections(state_dir, os.environ).kafka
    with shown_progress(plan.rows) as show:
        outcome = run(plan, kafka, now=now, speed=factor, on_progress=show)
    _report(outcome, at_now=at == "now", is_usage=plan.dialect.topic == "usage.events", as_json=as_json)
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.unacknowledged or _nothing_was_usable(sent=outcome.sent, skipped=outcome.skipped_count):
        raise typer.Exit(1)


def _nothing_was_usable(*, sent: int, skipped: int) -> bool:
    """Whether there were rows and every one of them was skipped; then it is said what to do."""
    if sent or not skipped:
        return False
    say("nothing could be sent: every row was skipped, for the reasons above")
    say("what to do: check that FORMAT is what the files are (burnline replay --help lists them), give what the rows")
    say("  leave out with --set name=value, and look at the outcome with --dry-run before it is sent")
    return True


def _dry_run(plan: "Plan", now: datetime) -> None:
    """Every event on a line as rating would price it, or spread it; rows to be skipped go to standard error."""
    from producers.dialect import Skipped
    from producers.plan import read
    from streams.rating.charge_preview import charge_lines
    from streams.rating.preview import priced_lines

    skipped = 0

    def values() -> Iterator[bytes]:
        nonlocal skipped
        for item in read(plan, now=now):
            if isinstance(item, Skipped):
                skipped += 1
                say(f"skipped row {item.row}: {item.reason}: {item.message}")
            else:
                yield item.value

    count, noun = 0, plan.dialect.topic.removeprefix("usage.")
    lines: Iterator[Any]
    if noun == "events":
        lines = priced_lines(values(), append_time_us=int(now.timestamp() * 1_000_000))
    else:
        lines = charge_lines(values()) if noun == "charges" else map(json.loads, values())
    for line in lines:
        count += 1
        put(json.dumps(line, default=json_value, ensure_ascii=False))
    say(f"{count:,} {noun} would be sent, {skipped:,} rows skipped; nothing was sent")
    if _nothing_was_usable(sent=count, skipped=skipped):
        raise typer.Exit(1)


def _report(outcome: "Outcome", *, at_now: bool, is_usage: bool, as_json: bool) -> None:
    if as_json:
        put_json(
            {
                "import_id": outcome.import_id,
                "shift": outcome.shift,
                "rows": outcome.rows,
                "sent": outcome.sent,
                "skipped": {reason: rows.count for reason, rows in outcome.skipped.items()},
                "repeated": outcome.repeated,
                "first_time": outcome.first_time.isoformat() if outcome.first_time else None,
                "last_time": outcome.last_time.isoformat() if outcome.last_time else None,
                "interrupted": outcome.interrupted,
                "unacknowledged": outcome.unacknowledged,
            }
        )
        return
    for line in told(outcome, at_now=at_now):
        put(line)
    is_old = outcome.first_time is not None and datetime.now(UTC) - outcome.first_time > _OLD
    if is_usage and outcome.sent and is_old:
        say(f"what these would have made fire: burnline alerts would-have-fired --import {outcome.import_id}")


def told(outcome: "Outcome", *, at_now: bool) -> "Iterator[str]":
    """What a person reads of a replay; `at_now`: by `--at now`, which finds another shift the next time."""
    yield f"sent {outcome.sent:,} of {outcome.rows:,} rows, skipped {outcome.skipped_count:,}"
    for reason, rows in outcome.skipped.items():
        yield f"  skipped {rows.count:,}: {reason}"
        for item in rows.first:
            yield f"    row {item.row}{f' of {item.file}' if item.file else ''}: {item.message}"
    if outcome.repeated:
        yield f"  {outcome.repeated:,} rows have the identity of an earlier row; they count once"
    shift = f"--shift {outcome.shift} in place of --at now"
    again = f"run it again with {shift}" if at_now else "run the same command again"
    if outcome.unacknowledged:
        yield f"  {outcome.unacknowledged:,} were not acknowledged; {again}, nothing counts twice"
    yield f"import {outcome.import_id}"
    if outcome.interrupted:
        yield f"interrupted; to go on, {again}, nothing counts twice"
    elif at_now:
        yield f"the same again: {shift}"


def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go: events, ledger, budgets.")],
    events: Annotated[int, typer.Option(help="About how many events.")] = 35_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same day.")] = 7,
    ends_at: Annotated[str | None, typer.Option(metavar="TIME", help="When the day ends; now unless given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a company's working day as files: events to replay, budgets to apply, and a ledger of what is true."""
    from deploy.moments import moment
    from producers.simulator import write_day

    now = datetime.now(UTC)
    end = moment(ends_at, now=now, flag="--ends-at") if ends_at else now
    written = write_day(out, end=end, seed=seed, events=events)
    if as_json:
        put_json(
            {
                "events": written.events,
                "outcomes": written.outcomes,
                "ledger": written.ledger,
                "budgets": written.budgets,
                "ends_at": end,
            }
        )
        return
    put(f"events   {written.events}")
    put(f"outcomes {written.outcomes}")
    put(f"budgets  {written.budgets}")
    put(f"ledger   {written.ledger}")
