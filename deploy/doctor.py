"""What is wrong with an installation and a stack, and how to mend it: one small examination per thing.

Long because it is a list: each function looks at one thing and knows nothing of the others.
"""

import os
import shlex
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.stack.find import Connections, Stack, connections, find_stack
from deploy.stack.kafka_jars import default_directory, find_kafka
from deploy.stack.ports import holder_of, is_free
from deploy.stack.positions import Positions
from deploy.stack.status import look
from deploy.store_client import rows
from deploy.topics_admin import check_topics
from schemas.errors import BurnlineError, SettingsError
from sinks.migrate import migrations, pending
from sinks.queries import dead_letters_by_reason
from sinks.store import Store, connector

Verdict = Literal["ok", "warning", "wrong"]
_GIB = 1 << 30
ENOUGH_DISK_BYTES = 5 * _GIB
LEAST_DISK_BYTES = 1 * _GIB
CLOCK_SEC = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` is empty where nothing is wrong."""

    what: str
    verdict: Verdict
    says: str
    mend: str = ""


def examine(state_dir: Path | None, environment: Mapping[str, str]) -> list[Finding]:
    """Everything that can be looked at here, whether a stack runs or not."""
    findings = [_python(), _jars()]
    try:
        stack = find_stack(state_dir, environment)
    except SettingsError as error:
        return [*findings, Finding("state directory", "wrong", str(error), "name the one of your stack")]
    if stack is not None:
        findings += [_disk(stack.layout.root), *_permissions(stack)]
        running = stack.supervisor().answers()
        if not running:
            findings += [*_ports(stack), Finding("stack", "warning", "does not run", _up(stack))]
            if stack.record.kafka == stack.record.clickhouse == "own":
                return findings
        else:
            findings += _guarded("parts", lambda: _parts(stack))
    try:
        found = connections(state_dir, environment)
    except SettingsError as error:
        return [*findings, Finding("stack", "warning", str(error), "burnline up")]
    for what, examination in (
        ("topics", lambda: _topics(found)),
        ("clock", lambda: _clock(found)),
        ("tables", lambda: _tables(found, stack)),
        ("dead letters", lambda: _dead_letters(found)),
        ("prices", lambda: _prices(found)),
    ):
        findings += _guarded(what, examination)
    return findings


def _guarded(what: str, examination: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings, or that the thing could not be looked at."""
    try:
        return list(examination())
    except BurnlineError as error:
        return [Finding(what, "wrong", str(error), "burnline status says what is down")]


def _python() -> Finding:
    return Finding("python", "ok", sys.version.split()[0])  # an older one than 3.11 does not come as far as here


def _jars() -> Finding:
    try:
        found = find_kafka(default_directory(Path(sys.prefix)))
    except BurnlineError as error:
        return Finding("kafka jars", "wrong", str(error), "make setup")
    return Finding("kafka jars", "ok", f"Kafka {found.version}")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    says = f"{free / _GIB:.1f} GiB free at {root}"
    if free < LEAST_DISK_BYTES:
        return Finding("disk", "wrong", says, "make room: Kafka and ClickHouse stop when the disk is full")
    if free < ENOUGH_DISK_BYTES:
        return Finding("disk", "warning", says, "make room soon")
    return Finding("disk", "ok", says)


def _permissions(stack: Stack) -> Iterator[Finding]:
    layout = stack.layout
    if not os.access(layout.root, os.W_OK):
        yield Finding("permissions", "wrong", f"{layout.root} cannot be written", f"chmod u+w {layout.root}")
        return
    open_ones = [
        path
        for path, mode in ((layout.root, 0o700), *((path, 0o600) for path in layout.writer_password.parent.glob("*")))
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & ~mode
    ]
    for path in open_ones:
        yield Finding("permissions", "wrong", f"others may read {path}", f"chmod go-rwx {path}")
    if not open_ones:
        yield Finding("permissions", "ok", "state and passwords are for this user only")


def _up(stack: Stack) -> str:
    """The command that starts this stack and no other."""
    return f"burnline up --state-dir {shlex.quote(str(stack.layout.root))}"


def _ports(stack: Stack) -> Iterator[Finding]:
    ports = [
        (name, port)
        for name, port in (("kafka", stack.record.kafka_port), ("clickhouse", stack.record.clickhouse_port))
        if getattr(stack.record, name) == "own"
    ]
    ports += [("collector", stack.record.collector_port)] if stack.record.collector_port else []
    for name, port in ports:
        if not is_free(port):
            mend = f"end it, or: {_up(stack)} --{name}-port 0"
            yield Finding("ports", "wrong", f"port {port} for {name} is taken by {holder_of(port)}", mend)


def _parts(stack: Stack) -> Iterator[Finding]:
    for one in look(stack).components:
        log = stack.layout.log(one.name)
        if one.health != "ok":
            verdict: Verdict = "wrong" if one.health == "down" else "warning"
            yield Finding(one.name, verdict, one.why, f"look into {log}")
        elif one.restarts > 2:
            yield Finding(one.name, "warning", f"was restarted {one.restarts} times", f"look into {log}")
        else:
            yield Finding(one.name, "ok", "healthy" if one.lag is None else f"healthy, lag {one.lag:,}")


def _topics(found: Connections) -> Iterator[Finding]:
    report = check_topics(found.kafka)
    for name in report.missing:
        yield Finding("topics", "wrong", f"{name} is missing", "burnline topics apply")
    for difference in report.differences:
        yield Finding("topics", "warning", difference, "burnline topics plan shows how it should be")
    if report.fits():
        yield Finding("topics", "ok", "all there, as planned")


def _clock(found: Connections) -> Iterator[Finding]:
    """Rating speaks every few seconds, so the broker's newest stamp is its clock, up to these."""
    with Positions(found.kafka) as positions:
        said = positions.progress()
        now_sec = time.time()
    newest_sec = max((one.said_at_us for one in said.values()), default=None)
    if newest_sec is None:
        yield Finding("clock", "warning", "no stage has spoken yet, so the broker's clock is not known", "burnline up")
        return
    ahead_sec = newest_sec / 1e6 - now_sec
    if ahead_sec > CLOCK_SEC:
        mend = "synchronise the clocks (NTP): Burnline goes by the broker's"
        yield Finding("clock", "warning", f"the broker is {ahead_sec:.0f} s ahead of this machine", mend)
    else:
        yield Finding("clock", "ok", "the broker is not ahead of this machine")


def _tables(found: Connections, stack: Stack | None) -> Iterator[Finding]:
    settings = stack.clickhouse(role="writer") if stack is not None else found.clickhouse
    store = Store(connector(settings), settings.database)
    try:
        applied = {
            int(number): str(content)
            for number, content in store.rows("SELECT number, content_hash FROM schema_migrations_store FINAL")
        }
    finally:
        store.close()
    missing = pending(migrations(), applied)
    if missing:
        names = ", ".join(migration.name for migration in missing)
        yield Finding("tables", "wrong", f"not applied: {names}", "restart the stack: burnline down, burnline up")
    else:
        yield Finding("tables", "ok", f"{len(applied)} migrations applied")


def _dead_letters(found: Connections) -> Iterator[Finding]:
    asked = dead_letters_by_reason()
    counted = rows(found.clickhouse, asked.sql, asked.parameters)
    for one in counted:
        says = f"{one['records']:,} with reason {one['reason']}, the last at {one['last_append_time']:%F %T}"
        mend = 'what and why: burnline sql "SELECT reason, path, message FROM dead_letters"'
        yield Finding("dead letters", "warning", says, mend)
    if not counted:
        yield Finding("dead letters", "ok", "none")


def _prices(found: Connections) -> Iterator[Finding]:
    counted = rows(
        found.clickhouse,
        "SELECT provider, model, sum(unpriced_requests) AS unpriced, sum(requests) AS all_requests FROM usage_15m"
        " GROUP BY provider, model HAVING unpriced > 0 ORDER BY unpriced DESC LIMIT 5",
    )
    for one in counted:
        share = f"{one['unpriced']:,} of {one['all_requests']:,} requests"
        says = f"{share} of {one['provider']}/{one['model']} have no price; their cost is not known, not zero"
        yield Finding("prices", "warning", says, "check the model's name; a price can be a policy in a later version")
    if not counted:
        yield Finding("prices", "ok", "every request has a price")
