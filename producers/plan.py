"""What a replay will send: files read once to know their digest, size and times, then again to make the events.

Laws
1. Every row that its dialect yields is one Event or one Skipped.
2. A plan of the same files, `--set` and shift reads the same bytes, at any time and on every machine.
3. Of formats whose files hold copies of each other's calls, each call is sent once: the others are skipped, `repeated`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Literal

from producers.charge_stamp import TOPIC as CHARGES
from producers.charge_stamp import check_charge_set, stamp_charge
from producers.dialect import Dialect, Row, Skipped
from producers.files import Digested, TextLines, find
from producers.formats import dialect
from producers.outcome_stamp import TOPIC as OUTCOMES
from producers.outcome_stamp import check_outcome_set, stamp_outcome
from producers.shift import shift_text, shift_to_now
from producers.stamp import Event, Stamping, check_needs, default_time, import_id, stamp
from schemas.errors import InputError, InvalidMessage, Reason

FUTURE = timedelta(minutes=5)
SET_CHECKS: Mapping[str, Callable[[str, str], None]] = {CHARGES: check_charge_set, OUTCOMES: check_outcome_set}
"""What `--set` may say of topics that are not usage events."""
_STAMPS = {CHARGES: stamp_charge, OUTCOMES: stamp_outcome}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be replayed and how; `first_time` and `last_time` are event times after the shift, None if no row."""

    dialect: Dialect
    files: Sequence[TextLines]
    stamping: Stamping
    rows: int
    first_time: datetime | None
    last_time: datetime | None

    @property
    def import_id(self) -> str:
        """The name of this replay; `burnline undo` takes it."""
        return self.stamping.import_id

    @property
    def shift(self) -> str:
        """The `--shift` that repeats this plan at any later time."""
        return shift_text(self.stamping.shift)


def prepare(  # noqa: PLR0913  the arguments of one command, all but two by name
    format_name: str,
    paths: Sequence[str],
    *,
    now: datetime,
    sets: Mapping[str, str] | None = None,
    at: Literal["original", "now"] = "original",
    shift: timedelta | None = None,
    share: float | None = None,
) -> Plan:
    """The plan of a replay; every file was read through once.

    `at="now"` moves the last event to `now`, by whole seconds; `shift` moves by itself and wins over `at`. `share`
    thins formats whose events are drawn.
    Raises: InputError: the format, a path, a header or a set field cannot be used; the message says what to change.
    """
    chosen, given = _thinned(dialect(format_name), share), dict(sets or {})
    if at == "now" and shift is not None:
        raise InputError("--at now and --shift say the same thing in two ways; give one of them")
    check_needs(chosen.needs, given, format_name=format_name)
    if chosen.topic == CHARGES and (shift is not None or at == "now"):
        raise InputError("charges have service periods: their time is never moved; leave out --at now and --shift")
    if (check := SET_CHECKS.get(chosen.topic)) is not None:
        for name, value in given.items():
            check(name, value)
    files = find(paths, chosen.files, beside=chosen.beside)
    default = default_time(given)
    rows, digests = 0, [] if share is None else [repr(share).encode()]
    first: datetime | None = None
    last: datetime | None = None
    for file in files:
        passing = Digested(file.lines())
        for item in rows_of(chosen, passing, file.name):
            rows += 1
            at_row = None if isinstance(item, Skipped) else item.time or default
            if at_row is not None:
                first = at_row if first is None else min(first, at_row)
                last = at_row if last is None else max(last, at_row)
        digests.append(passing.digest())
    move = shift if shift is not None else timedelta(0)
    if at == "now" and last is not None:
        move = shift_to_now(last, now=now)
    stamping = Stamping(
        format=format_name, sets=given, shift=move, import_id=import_id(format_name, digests, given, move)
    )
    return Plan(
        dialect=chosen,
        files=files,
        stamping=stamping,
        rows=rows,
        first_time=_shifted(first, move),
        last_time=_shifted(last, move),
    )


def read(plan: Plan, *, now: datetime) -> Iterator[Event | Skipped]:
    """The events of a plan as they are sent, and the rows that are not; the dry run of a replay.

    An event more than 5 minutes after `now` is skipped: Burnline would refuse it. A charge may be known beforehand.
    Raises: InputError: a file has changed so that it cannot be read any more.
    """
    salt = plan.stamping.salt()
    make = _STAMPS.get(plan.dialect.topic, stamp)
    latest = None if plan.dialect.topic == CHARGES else now + FUTURE
    read_before: set[bytes] = set()
    for file in plan.files:
        for item in rows_of(plan.dialect, file.lines(), file.name):
            if isinstance(item, Skipped):
                yield replace(item, file=file.name)
                continue
            if plan.dialect.once and item.id is not None:
                mark = blake2b(item.id.encode("utf-8", "surrogatepass"), digest_size=12).digest()
                if mark in read_before:
                    yield Skipped(item.row, "repeated", "the call is in another file, or before", file.name)
                    continue
                read_before.add(mark)
            try:
                event = make(item, plan.stamping, salt=salt)
            except InvalidMessage as verdict:
                yield Skipped(item.row, verdict.reason, verdict.message, file.name)
                continue
            if latest is not None and event.time > latest:
                said = f"its time {event.time.isoformat()} is in the future"
                yield Skipped(item.row, Reason.IN_THE_FUTURE, said, file.name)
                continue
            yield event


def _thinned(chosen: Dialect, share: float | None) -> Dialect:
    if share is None:
        return chosen
    if chosen.thinned is None:
        raise InputError(f"--share thins formats whose events are drawn; those of {chosen.name} are sent as they are")
    return chosen.thinned(share)


def rows_of(chosen: Dialect, lines: Iterable[str], name: str) -> Iterator[Row]:
    """The rows of a file. Raises: InputError: it cannot be of this format; the message names it."""
    try:
        yield from chosen.read(lines)
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"{name}: {error}") from error


def _shifted(at: datetime | None, by: timedelta) -> datetime | None:
    try:
        return None if at is None else at + by
    except OverflowError:
        return None
