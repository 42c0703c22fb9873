"""`burnline deadletters`: what could not be counted and why, and a second try after the cause is mended."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, plain, put, put_json, put_table

if TYPE_CHECKING:
    from producers.retry import NotRetried, Retry
    from schemas.connection import KafkaSettings
    from schemas.signals import DeadLetter
    from sinks.queries import Query

Reason = Annotated[str | None, typer.Option(help="Only these: tokens_disagree, in_the_future, ...")]
_SHOWN_BYTES = 2000


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    group = typer.Typer(help="What could not be counted: look at it, mend the cause, try again.", no_args_is_help=True)
    group.command("list", epilog=examples("burnline deadletters list", "burnline deadletters list --since 24h --json"))(
        list_letters
    )
    group.command("show", epilog=examples("burnline deadletters show usage.events/2/1841"))(show)
    group.command(
        "retry",
        epilog=examples(
            "burnline deadletters retry usage.events/2/1841",
            "burnline deadletters retry --reason in_the_future --since 24h --dry-run",
        ),
    )(retry)
    app.add_typer(group, name="deadletters")


def list_letters(
    reason: Reason = None,
    since: Annotated[str, typer.Option(help="24h, 7d, a date or a time.")] = "30d",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")] = 50,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """List records that could not be counted, newest first, and how many there are for each reason."""
    from deploy.moments import moment
    from deploy.stack.find import connections
    from deploy.store_client import rows
    from sinks.dead_letters import listed
    from sinks.queries import dead_letters_by_reason

    start = moment(since, now=datetime.now(UTC))
    asked, counted = listed(reason=reason, since=start, limit=limit), dead_letters_by_reason(since=start)
    clickhouse = connections(state_dir, os.environ).clickhouse
    found = rows(clickhouse, asked.sql, asked.parameters)
    if as_json:
        put_json(found)
        return
    reasons = rows(clickhouse, counted.sql, counted.parameters)
    if not reasons:
        put(f"nothing was refused since {start:%Y-%m-%d %H:%M} UTC")
        return
    put_table(["reason", "records", "last (UTC)"], [_counted(one) for one in reasons], right=("records",))
    put("")
    put_table(["id", "arrived (UTC)", "reason", "dialect", "message"], [_line(one) for one in found])


def _counted(row: dict[str, Any]) -> tuple[object, ...]:
    return row["reason"], f"{row['records']:,}", str(row["last_append_time"])[:19]


def _line(row: dict[str, Any]) -> tuple[object, ...]:
    return row["dead_letter_id"], str(row["append_time"])[:19], row["reason"], row["dialect"], row["message"]


def show(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it: usage.events/2/1841.")],
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one refused record: why, what to do, its bytes without what may be text or a secret."""
    from base64 import b64decode

    from producers.retry import NotRetried
    from producers.retry import retry as retried

    letter = _one(dead_letter_id, state_dir)
    if as_json:
        put_json(letter.model_dump(mode="json"))
        return
    found = retried(letter)
    put(f"{letter.dead_letter_id}, arrived {letter.append_time:%Y-%m-%d %H:%M:%S} UTC, dialect {letter.dialect}")
    put(f"{letter.reason}{f' at {letter.path}' if letter.path else ''}: {letter.message}")
    taken = f", {letter.redacted_values} values taken out" if letter.redacted_values else ""
    put(f"{letter.value_bytes:,} bytes{', cut' if letter.cut else ''}{taken}")
    put("retry: no, " + found.why if isinstance(found, NotRetried) else f"retry: as revision {found.revision}")
    text = b64decode(letter.value_base64).decode(errors="replace")
    put(plain(text[:_SHOWN_BYTES]) + (" ..." if len(text) > _SHOWN_BYTES else ""))


def retry(
    dead_letter_id: Annotated[str | None, typer.Argument(metavar="ID", help="One record.")] = None,
    reason: Reason = None,
    since: Annotated[str | None, typer.Option(help="With --reason: 24h, 7d, a date or a time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="With --reason: at most so many.")] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Send refused records again under their own id and the next revision, after the cause was mended.

    What would be refused again is not sent. Trying twice counts once. Exit code 1 when something could not be sent.
    """
    from deploy.retrying import judged, without
    from deploy.stack.find import connections
    from schemas.errors import InputError

    if (dead_letter_id is None) == (reason is None):
        raise InputError("say which: an ID as `burnline deadletters list` shows it, or --reason")
    if dead_letter_id is not None:
        letters: Iterable[DeadLetter] = [_one(dead_letter_id, state_dir)]
    else:
        letters = _of_reason(reason, since, limit, state_dir)
    found = judged(letters, now=datetime.now(UTC))
    if not dry_run and found.retries:
        too_large = _send(connections(state_dir, os.environ).kafka, found.retries)
        found = without(found, too_large, "the broker refuses a message of this size")
    _report(found.retries, found.refused, dry_run=dry_run, as_json=as_json)
    if found.refused:
        raise typer.Exit(1)


def _report(retries: "Sequence[Retry]", refused: "Sequence[NotRetried]", *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        put_json(
            {
                "sent": 0 if dry_run else len(retries),
                "would_send": len(retries),
                "retries": [
                    {"dead_letter_id": one.letter_id, "id": one.id, "revision": one.revision} for one in retries
                ],
                "not_retried": [{"dead_letter_id": one.letter_id, "why": one.why} for one in refused],
            }
        )
        return
    for one in refused:
        put(f"not sent: {one.letter_id}: {one.why}")
    put(f"{'would send' if dry_run else 'sent'} {len(retries):,}, not sent {len(refused):,}")
    for sent in retries if dry_run else ():
        put(f"  {sent.letter_id}: {sent.id} as revision {sent.revision}")


def _send(kafka: "KafkaSettings", retries: "Sequence[Retry]") -> set[str]:
    """All are acknowledged but those letters. Raises: KafkaUnavailableError, SettingsError."""
    from producers.retry import TOPIC
    from producers.sending import Sender

    refused: set[str] = set()

    def settle(letter_id: str, why: str | None) -> None:
        if why is not None:
            refused.add(letter_id)

    with Sender(kafka, TOPIC) as sender:
        for one in retries:
            sender.send(one.key, one.value, partial(settle, one.letter_id))
        while sender.flush(1.0):
            pass
    return refused


def _one(dead_letter_id: str, state_dir: Any) -> "DeadLetter":  # noqa: ANN401  an option of typer
    from schemas.errors import InputError
    from sinks.dead_letters import one

    found = list(_asked(one(dead_letter_id), state_dir))
    if not found:
        raise InputError(f"there is no dead letter {dead_letter_id}; burnline deadletters list shows them")
    return found[0]


def _of_reason(reason: str | None, since: str | None, limit: int, state_dir: Any) -> "Iterable[DeadLetter]":  # noqa: ANN401
    from deploy.moments import moment
    from sinks.dead_letters import whole

    start = moment(since, now=datetime.now(UTC)) if since else None
    return _asked(whole(reason=reason, since=start, limit=limit), state_dir)


def _asked(asked: "Query", state_dir: Any) -> "Iterable[DeadLetter]":  # noqa: ANN401  an option of typer
    from deploy.retrying import letter_of
    from deploy.stack.find import connections
    from deploy.store_client import streamed

    with streamed(connections(state_dir, os.environ).clickhouse, asked.sql, asked.parameters) as rows:
        for row in rows:
            yield letter_of(row)
