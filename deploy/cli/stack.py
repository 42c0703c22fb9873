"""`burnline up`, `down`, `status`, `drain`, `doctor`: the local stack."""

import os
from typing import Annotated

import typer

from deploy.cli.output import AsJson, StateDir, age, examples, put, put_json, put_table, say

_UP_SEC = 90.0
_DRAIN_SEC = 60.0


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    app.command(
        "up",
        epilog=examples(
            "burnline up", "burnline up --collector", "burnline up --state-dir DIR --kafka-port 0 --clickhouse-port 0"
        ),
    )(up)
    app.command("down", epilog=examples("burnline down", "burnline down --now"))(down)
    app.command("status", epilog=examples("burnline status", "burnline status --json"))(status)
    app.command("drain", epilog=examples("burnline drain", "burnline drain --timeout 300"))(drain)
    app.command("doctor", epilog=examples("burnline doctor", "burnline doctor --json"))(doctor)


def up(
    state_dir: StateDir = None,
    kafka_port: Annotated[int | None, typer.Option(help="9092 unless given; 0 = any free port.")] = None,
    clickhouse_port: Annotated[int | None, typer.Option(help="8123 unless given; 0 = any free port.")] = None,
    collector: Annotated[
        bool | None,
        typer.Option("--collector/--no-collector", help="Also take usage over HTTP; remembered. Off unless asked for."),
    ] = None,
    collector_port: Annotated[int | None, typer.Option(help="8126 unless given; 0 = any free port.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Any free one at first, unless given; remembered.")] = None,
    port_offset: Annotated[int, typer.Option(help="Added to the usual ports.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for each part.")] = _UP_SEC,
    as_json: AsJson = False,
) -> None:
    """Start Kafka, ClickHouse, all stages and the notifier; returns when they are healthy.

    Everything lies in the state directory. A stack that runs already is left as it is.
    Kafka or ClickHouse of your own: set BURNLINE_KAFKA_BOOTSTRAP_SERVERS or BURNLINE_CLICKHOUSE_URL.
    """
    from deploy.stack.find import state_dir_for_up
    from deploy.stack.ports import Wanted
    from deploy.stack.up import start_stack
    from schemas.numbers_page import page_url

    layout = state_dir_for_up(state_dir, os.environ)
    wanted = Wanted(
        kafka=kafka_port,
        clickhouse=clickhouse_port,
        collector=collector_port,
        metrics=metrics_port,
        collects=True if collector is None and collector_port is not None else collector,
        offset=port_offset,
    )
    started = start_stack(layout, os.environ, wanted, timeout_sec=timeout, say=say)
    record = started.stack.record
    if as_json:
        put_json({"was_running": started.was_running, "state_dir": str(layout.root), **record.model_dump()})
        return
    put(f"{'runs already' if started.was_running else 'up'}: {layout.root}")
    put(f"  Kafka       {record.kafka_bootstrap_servers}{' (external)' if record.kafka == 'external' else ''}")
    put(f"  ClickHouse  {record.clickhouse_url}{' (external)' if record.clickhouse == 'external' else ''}")
    if record.collector_port:
        put(f"  Collector   http://127.0.0.1:{record.collector_port}")
    put(f"  Metrics     {page_url(record.metrics_port)}")


def down(
    state_dir: StateDir = None,
    now: Annotated[bool, typer.Option("--now", help="Do not wait until everything is stored.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until everything is stored.")] = _DRAIN_SEC,
) -> None:
    """Stop the stack without loss: waits until everything is stored, then stops each part in order.

    What was not stored in time is kept in Kafka and is done after the next start.
    """
    from deploy.stack.down import stop_stack
    from deploy.stack.find import find_stack

    stack = find_stack(state_dir, os.environ)
    if stack is None:
        put("nothing runs here")
        return
    stopped = stop_stack(stack, drain_sec=0 if now else timeout, say=say)
    if not stopped.was_running:
        put(f"was not running: {stack.layout.root}")
        return
    for line in stopped.missing:
        say(f"not stored yet, will be after the next start: {line}")
    put(f"stopped{', everything is stored' if stopped.drained else ''}: {stack.layout.root}")


def status(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Show how each part stands: health, position, lag, age of the oldest record that is not done.

    Exit code 0 when all is healthy, 1 when something is degraded or down.
    """
    from deploy.stack.find import find_stack
    from deploy.stack.status import look
    from schemas.errors import SettingsError
    from schemas.numbers_page import page_url

    stack = find_stack(state_dir, os.environ)
    if stack is None:
        raise SettingsError("no stack found here; start one with: burnline up, or name one with --state-dir")
    found = look(stack)
    if as_json:
        urls = {"metrics_url": page_url(stack.record.metrics_port)} if stack.record.metrics_port else {}
        put_json({"state_dir": str(stack.layout.root), **urls, **found.to_json()})
    else:
        head = ["part", "health", "state", "pid", "up", "restarts", "position", "lag", "oldest waits", "why"]
        rows = [
            [
                *(one.name, one.health, one.state, one.pid, age(one.up_sec), one.restarts, one.position, one.lag),
                *(age(one.oldest_unprocessed_sec), one.why),
            ]
            for one in found.components
        ]
        put_table(head, rows, right=("pid", "up", "restarts", "position", "lag", "oldest waits"))
        put(f"{found.health}: {stack.layout.root}")
    if found.health != "ok":
        raise typer.Exit(1)


def drain(
    state_dir: StateDir = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = _DRAIN_SEC,
    as_json: AsJson = False,
) -> None:
    """Wait until everything produced so far is rated, concluded on and stored.

    Exit code 0 when it is, 1 with what is missing when time is up.
    """
    from deploy.stack.drain import drain as wait
    from deploy.stack.find import connections

    missing = wait(connections(state_dir, os.environ).kafka, timeout_sec=timeout)
    if as_json:
        put_json({"drained": not missing, "missing": [vars(one) for one in missing]})
    elif not missing:
        put("drained: everything produced so far is stored")
    else:
        for one in missing:
            say(f"missing: {one}")
        put(f"not drained after {timeout:.0f} s; burnline status says which part is behind")
    if missing:
        raise typer.Exit(1)


def doctor(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Look for what is wrong and say how to mend it.

    Exit code 0 when nothing is wrong; warnings do not count.
    """
    from deploy.doctor import examine

    findings = examine(state_dir, os.environ)
    if as_json:
        put_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            put(f"{finding.verdict:<8} {finding.what}: {finding.says}")
            if finding.mend:
                put(f"         mend: {finding.mend}")
        if any(finding.verdict != "ok" for finding in findings):
            put("what each fault looks like, what follows and what to do: docs/operating.md")
    if any(finding.verdict == "wrong" for finding in findings):
        raise typer.Exit(1)
