"""`burnline demo`: what `make demo` runs and shows."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import examples, put, put_table, say

if TYPE_CHECKING:
    from deploy.demo.run import Outcome

DEMO_DIR = Path(".burnline/demo")


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command("demo", epilog=examples("burnline demo", "KEEP=0 burnline demo", "burnline demo --events 100000"))(demo)


def demo(
    events: Annotated[int, typer.Option(min=4000, max=1_000_000, help="About how many events the day has.")] = 35_000,
) -> None:
    """Replay a company's working day through a fresh stack and hold every sum against the ledger.

    The stack lies in .burnline/demo. On a terminal it is left running; without one, or with KEEP=0, it is stopped.
    Exit code 1 when anything differs from the ledger.
    """
    from deploy.cli.progress import shown_progress
    from deploy.demo.run import run_demo
    from deploy.stack.down import stop_stack

    keep = sys.stdout.isatty() and os.environ.get("KEEP", "1") != "0"
    outcome = run_demo(DEMO_DIR, events=events, say=say, shown=shown_progress)
    try:
        _show(outcome)
    finally:
        if not keep:
            stop_stack(outcome.stack, drain_sec=60, say=lambda _text: None)
    if keep:
        _what_next()
    else:
        put("the stack is stopped; its state is kept in .burnline/demo (KEEP=1 on a terminal leaves it running)")
    if not outcome.passed:
        raise typer.Exit(1)


def _show(outcome: "Outcome") -> None:
    from deploy.demo.run import budgets, burning, spent

    stack = outcome.stack
    put(f"\nWHO BURNED WHAT: {outcome.day.truth['org']}, the last 24 hours")
    _spenders("team", spent(stack, "team"))
    _spenders("agent", spent(stack, "agent"))
    put("\nWHO BURNS NOW: the last hour")
    put_table(
        ["agent", "requests", "tokens/min", "USD/h"],
        [
            (row["entity_id"], f"{row['requests']:,}", f"{row['tokens_per_min']:,.0f}", f"{row['usd_per_hour']:,.2f}")
            for row in burning(stack, "agent")
        ],
        right=("requests", "tokens/min", "USD/h"),
    )
    put("\nBUDGETS: this month")
    put_table(
        ["budget", "spent", "limit", "of limit", "status", "owner"],
        [
            (row["budget_id"], f"{row['spent']:,.2f}", f"{row['limit']:,.2f}", f"{row['spent_to_limit_ratio']:.0%}",
             row["status"], row["owner"])
            for row in budgets(stack)
        ],
        right=("spent", "limit", "of limit"),
    )  # fmt: skip
    put("\nWHAT BURNLINE FOUND: alerts that somebody should read")
    put_table(["severity", "topic", "what"], [_alert(row) for row in outcome.alerts if row["notify"]])
    _bought(outcome)
    put("\nIS IT TRUE? every sum against the simulator's own ledger")
    put_table(
        ["", "what", "ledger", "Burnline"],
        [("ok" if check.passed else "WRONG", check.what, check.expected, check.actual) for check in outcome.checks],
        right=(),
    )
    verdict = "equal to the last token and the last pico-dollar" if outcome.passed else "NOT equal, see WRONG above"
    put(f"\n{len(outcome.checks)} checks, {verdict}; {outcome.seconds:.0f} s from start to here")


def _bought(outcome: "Outcome") -> None:
    """What the day bought: cost per success, waste, what to stop and what to feed."""
    from deploy.demo.checks import stop_and_feed
    from deploy.demo.run import bought, use_cases

    units, findings = bought(outcome.stack)
    put("\nWHAT IT BOUGHT: the cost of each success, failures included")
    put_table(
        ["outcome", "of it", "failed", "cost USD", "each", "value USD"],
        [
            (row["outcome_type"], f"{row['outcomes']:,}", f"{row['failed']:,}",
             *(None if row[name] is None else f"{row[name]:,.4f}" if row[name] < 1 else f"{row[name]:,.2f}"
               for name in ("cost_usd", "cost_per_success_usd", "value_usd")))
            for row in units
        ],
        right=("of it", "failed", "cost USD", "each", "value USD"),
    )  # fmt: skip
    for row in findings:
        if row["evidence"] == "proven":
            cost = row["recoverable_usd"]
            said = f"{row['events']:,} calls, {cost:,.2f} USD; {cost * 365:,.0f} USD a year of such days"
            put(f"waste, {row['evidence']}: {row['kind']}, {said}")
    stop, feed = stop_and_feed(use_cases(outcome.stack))
    for word, line in (("stop", stop), ("feed", feed)):
        if line is not None:
            put(f"{word}: {line['use_case']} cost {line['cost_usd']:,.2f} USD and brought {line['value_usd']:,.2f} USD")


def _spenders(entity_type: str, rows: list[Any]) -> None:
    put_table(
        [entity_type, "requests", "input tokens", "output tokens", "USD"],
        [
            (row["entity_id"], f"{row['requests']:,}", f"{row['input_tokens']:,}", f"{row['output_tokens']:,}",
             f"{row['cost_usd']:,.2f}")
            for row in rows
        ],
        right=("requests", "input tokens", "output tokens", "USD"),
    )  # fmt: skip


def _alert(row: Any) -> tuple[str, str, str]:  # noqa: ANN401  a row of a query
    return (row["severity"], row["topic"], row["message"])


def _what_next() -> None:
    put("\nThe stack is running. Try:")
    put("  ./burnline alerts")
    put('  ./burnline sql "SELECT team, sum(requests), sum(cost_usd) FROM usage_1h GROUP BY team ORDER BY 3 DESC"')
    put("  ./burnline report daily --by team,model")
    put("Stop it with:")
    put("  ./burnline down --state-dir .burnline/demo")
