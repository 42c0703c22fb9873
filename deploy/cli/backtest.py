"""`burnline backtest`: what the detectors would have said of the past."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, plain, put, put_json, put_table, say

_SHOWN = 50
_SAID_EACH_SEC = 10.0


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "backtest",
        epilog=examples(
            "burnline backtest rules.toml --since 7d",
            "burnline backtest --trace burnline day.jsonl --labels known.csv",
            "burnline backtest --trace azure-llm trace.csv --set org=acme --json",
            "burnline backtest --series requests.csv --scores scored.csv",
        ),
    )(backtest)


def backtest(
    rules: Annotated[Path | None, typer.Argument(metavar="[RULES.toml]", help="Rules as `apply` takes them.")] = None,
    since: Annotated[str | None, typer.Option(help="What is stored, from then on; 7d, a date or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, exclusive; now unless given.")] = None,
    trace: Annotated[
        tuple[str, Path] | None, typer.Option(metavar="FORMAT PATH", help="A trace, as `replay` takes it; no stack.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="With --trace, as in `replay`: org=acme.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="What is known: entity_type, entity_id, since, until, label; org, rule."),
    ] = None,
    series: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Columns timestamp and value; any interval, gaps.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="Where the scores go; standard output unless given.")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Say what rules would have fired, on what is stored or on a trace; or score a series.

    With --since or --trace: each alert, how many a week; beside labels (of --labels, else of `burnline alerts label`)
    precision, recall, and minutes until it was told. Amounts, and call by call runs, keys and governance. What is
    stored has the names, prices and revisions of now, and neither people nor addresses of a shared key; say --since
    a day before it matters, for rules begin to learn there. `burnline alerts would-have-fired` has budgets.

    With --series: each row's score by what came before it, 0 to 1, an anomaly from 0.5 on. Writes
    timestamp,value,anomaly_score in the same rows. Times without a zone are UTC. A missing value scores 0.
    """
    from schemas.errors import InputError

    if sum(one is not None for one in (since, trace, series)) != 1:
        raise InputError("say what to look at: --since 7d (what is stored), --trace FORMAT PATH, or --series FILE.csv")
    going_with = (
        (until, "--until", since, "--since"),
        (sets, "--set", trace, "--trace"),
        (scores, "--scores", series, "--series"),
    )
    for given, flag, wanted, needs in going_with:
        if given and wanted is None:
            raise InputError(f"{flag} goes with {needs}")
    if series is not None:
        if rules is not None or labels is not None:
            raise InputError("a series has no rules and no labels: give --series and --scores alone")
        _score(series, scores)
        return
    found = (
        _of_trace(rules, trace, sets or [], labels) if trace else _stored(rules, since or "", until, labels, state_dir)
    )
    if as_json:
        put_json(found)
    else:
        show(found)


def _score(series: Path, scores: Path | None) -> None:
    from deploy.backtest_series import write_scores

    written = write_scores(series, scores)
    missing = f", {written.missing:,} without a value" if written.missing else ""
    say(f"{written.rows:,} rows{missing}; {written.flagged:,} score 0.5 or more")


def _of_trace(rules: Path | None, trace: tuple[str, Path], sets: list[str], labels: Path | None) -> dict[str, Any]:
    from deploy.backtest_past import Stretch, labels_in, of_trace
    from deploy.backtest_told import told
    from deploy.backtesting import RulesNow, of_events
    from deploy.in_order import in_order
    from schemas.errors import InputError
    from schemas.periods import instant

    known, policies = labels_in(labels) if labels else [], RulesNow(_policies(rules))
    progress = _Progress()
    with progress.ended_by_hand():
        read = of_trace(trace[0], [trace[1]], sets, now=datetime.now(UTC), told=progress.of("read"))
        judged = Stretch(progress.of("judged"))
        alerts = list(of_events(judged.watched(in_order(read)), policies))
    if judged.first_us is None:
        raise InputError(f"{trace[1]}: no event to look at; `burnline replay {trace[0]} {trace[1]} --dry-run` says why")
    return told(alerts, known, since=instant(judged.first_us), until=instant(judged.last_us + 1))


def _stored(
    rules: Path | None, since: str, until: str | None, labels: Path | None, state_dir: Path | None
) -> dict[str, Any]:
    from deploy.backtest_past import labels_in, labels_kept, of_ledger, steps_of_ledger
    from deploy.backtest_told import told
    from deploy.backtesting import RulesNow, of_rows, of_steps, told_before
    from deploy.moments import moment
    from deploy.stack.find import connections
    from schemas.errors import InputError
    from schemas.policies import SpikeRule

    now = datetime.now(UTC)
    begin, end = moment(since, now=now), moment(until, now=now, flag="--until") if until else now
    if end <= begin:
        raise InputError(f"--until {until or 'now'}: it must lie after --since {since}")
    store = connections(state_dir, os.environ).clickhouse
    policies = _policies(rules)
    kinds = {kind for one in policies if isinstance(one, SpikeRule) for kind in one.entity_types}
    kinds |= set(SpikeRule(org="any").entity_types)
    known = labels_in(labels) if labels else labels_kept(store, since=begin, until=end)
    progress = _Progress()
    with progress.ended_by_hand():
        minutes = of_ledger(store, sorted(kinds), since=begin, until=end, told=progress.of("amounts"))
        alerts = list(of_rows(minutes, RulesNow(policies)))
        steps = steps_of_ledger(store, since=begin, until=end, told=progress.of("single calls"))
        alerts += of_steps(steps, RulesNow(policies))
    return told(told_before(end, alerts), known, since=begin, until=end)


class _Progress:
    """Says every ten seconds how far it is; when somebody ends it, how far it was."""

    def __init__(self) -> None:
        self._said_sec, self._doing, self._calls = time.monotonic(), "", 0
        self._until: datetime | None = None

    def of(self, doing: str) -> Callable[[datetime, int], None]:
        """Hears of one part of it, such as reading."""

        def told(until: datetime, more: int) -> None:
            self._calls = more + (self._calls if self._doing == doing else 0)
            self._doing, self._until = doing, until
            if time.monotonic() - self._said_sec >= _SAID_EACH_SEC:
                self._said_sec = time.monotonic()
                say(str(self))

        return told

    def __str__(self) -> str:
        """How far it is."""
        at = "" if self._until is None else f" up to {self._until:%Y-%m-%d %H:%M}Z"
        return f"{self._doing}{at}: {self._calls:,} calls"

    @contextmanager
    def ended_by_hand(self) -> Iterator[None]:
        """Ctrl-C says how far it was, and ends the command."""
        try:
            yield
        except KeyboardInterrupt:
            say(f"interrupted, {self}; nothing was judged to its end, and nothing is changed by a backtest")
            raise


def _policies(rules: Path | None) -> tuple[Any, ...]:
    from deploy.policy_files import PolicyFile, read_policies
    from schemas.errors import InputError

    if rules is None:
        return ()
    try:
        return tuple(read_policies([PolicyFile(rules.name, rules.read_bytes())]))
    except OSError as error:
        raise InputError(f"{rules}: {error.strerror}") from error


def show(found: Mapping[str, Any]) -> None:
    """All of it as a person reads it."""
    alerts, judged = found["alerts"], found["labels"]
    put(f"{found['since'][:19]}Z to {found['until'][:19]}Z: {len(alerts):,} alerts, {found['alerts_per_week']} a week "
        f"({found['notifying_per_week']} of them notify)")  # fmt: skip
    if judged["confirmed"] or judged["dismissed"]:
        said = {name: "-" if judged[name] is None else judged[name] for name in ("precision", "recall")}
        put(f"labels: {judged['confirmed']} confirmed, {judged['dismissed']} dismissed; precision {said['precision']}, "
            f"recall {said['recall']}{_lead(judged['lead_min'])}; {judged['unlabelled']} alerts have no "
            "label")  # fmt: skip
        put_table(
            ["rule", "alerts", "right", "wrong", "precision", "confirmed", "recall", "told after (min)"],
            [_of_rule(rule, found["by_rule"].get(rule, 0), one) for rule, one in judged["by_rule"].items()],
            right=("alerts", "right", "wrong", "precision", "confirmed", "recall", "told after (min)"),
        )
    if alerts:
        cells = [
            (one["at"][:19], one["rule"], "yes" if one["notify"] else "no", f"{one['entity_type']} {one['entity_id']}",
             plain(one["message"]))
            for one in alerts[:_SHOWN]
        ]  # fmt: skip
        put_table(["at (UTC)", "rule", "notifies", "who", "message"], cells)
    if len(alerts) > _SHOWN:
        put(f"... and {len(alerts) - _SHOWN:,} more; --json has all")


def _of_rule(rule: str, alerts: int, judged: Mapping[str, Any]) -> tuple[object, ...]:
    numbers = (judged[name] for name in ("right", "wrong", "precision", "confirmed", "recall", "lead_min"))
    return (rule, alerts, *("-" if one is None else one for one in numbers))


def _lead(minutes: float | None) -> str:
    """When what was confirmed was told, in the middle; nothing where none was."""
    if minutes is None:
        return ""
    return f", told {abs(minutes)} min {'before' if minutes < 0 else 'after'} it began (median)"
