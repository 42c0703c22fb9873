"""The monthly audit report as Markdown that a controller can file: the ledger's views and the log of policies.

Laws
1. What is empty is said to be empty; a part that could not be asked is said, too, never left out.
2. Names are data: none of them can end a cell, a row or a heading, nor become a link, HTML or a formula.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from deploy.policy_log import Logged, read_log
from deploy.stack.find import Connections
from deploy.store_client import rows
from schemas.errors import InputError, KafkaUnavailableError
from schemas.money import plain
from schemas.policies import Acknowledgement
from sinks.audit_questions import audit_sections

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MARKED = re.compile(r"([\\`*_{}\[\]<>()#+!|~&=@])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Month:
    """[since, until) in UTC."""

    since: datetime
    until: datetime

    @property
    def name(self) -> str:
        """As 2026-10."""
        return f"{self.since:%Y-%m}"


def month_of(text: str, *, now: datetime) -> Month:
    """The month that a text like 2026-10 names. Raises: InputError: it names none, or one that has not begun."""
    match = _MONTH.fullmatch(text)
    if match is None or match[1] < "2000":
        raise InputError(f"--month {text}: write a month like 2026-10")
    year, number = int(match[1]), int(match[2])
    if (year, number) == (9999, 12):
        raise InputError(f"--month {text}: write a month like 2026-10")
    found = Month(
        datetime(year, number, 1, tzinfo=UTC),
        datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC),
    )
    if found.since > now:
        raise InputError(f"--month {text} has not begun")
    return found


def audit(where: Connections, month: Month, *, org: str | None, now: datetime) -> str:
    """The report. Raises: StoreUnavailableError, QueryError."""
    parts = [heading(month, org=org, now=now)]
    parts += [
        part(one.title, one.about, rows(where.clickhouse, one.asked.sql, one.asked.parameters))
        for one in audit_sections(month.since, month.until, org=org)
    ]
    try:
        log: Sequence[Logged] | None = read_log(where.kafka)
    except KafkaUnavailableError:
        log = None
    parts += policies_parts(log, month, org=org)
    return "\n".join(parts)


def heading(month: Month, *, org: str | None, now: datetime) -> str:
    """What it is, of whom, when it was made; and that a running month is not whole."""
    whose = "all organisations" if org is None else f"organisation {cell(org)}"
    lines = [
        f"# Usage audit {month.name}, {whose}",
        "",
        f"Made {now:%Y-%m-%d %H:%M} UTC from the ledger as it stands then: late events, corrections and outcomes of",
        f"the month are in it. It runs {month.since:%Y-%m-%d} to {month.until:%Y-%m-%d} (exclusive), UTC. In USD.",
    ]
    if now < month.until:
        lines += ["", "**The month is not over: this is no final report.**"]
    return "\n".join([*lines, ""])


def part(title: str, about: str, found: Iterable[Row]) -> str:
    """A section: its title, a sentence, and its rows as a table; or that there are none."""
    lines = list(found)
    text = [f"## {title}", "", about, ""]
    if not lines:
        return "\n".join([*text, "None.", ""])
    head = list(lines[0])
    text += [f"| {' | '.join(name.replace('_', ' ') for name in head)} |", f"|{'---|' * len(head)}"]
    text += [f"| {' | '.join(cell(line[name]) for name in head)} |" for line in lines]
    return "\n".join([*text, ""])


def policies_parts(log: Sequence[Logged] | None, month: Month, *, org: str | None) -> list[str]:
    """Who changed policies in the month, and who took alerts on; None: the log could not be read."""
    changes, taken = "Changes of policies", "Alerts taken on"
    if log is None:
        unknown = "Not known: the log of policies could not be read when this was made."
        return [f"## {title}\n\n{unknown}\n" for title in (changes, taken)]
    within = [one for one in log if month.since <= one.at < month.until]
    changed: list[Row] = []
    acknowledged: list[Row] = []
    for one in within:
        sets = [policy for policy in one.change.sets if org in {None, policy.org}]
        acks = [policy for policy in sets if isinstance(policy, Acknowledgement)]
        removes = [key for key in one.change.removes if org in {None, key[1]}]
        if len(sets) > len(acks) or removes:
            names = sorted({policy.kind for policy in sets} | {kind for kind, _, _ in removes})
            changed.append(
                {
                    "offset": one.offset, "at": one.at, "actor": one.change.actor,
                    "verified": one.change.actor_verified,
                    "files": ", ".join(one.change.files), "set": len(sets) - len(acks), "removed": len(removes),
                    "kinds": ", ".join(name for name in names if name != "acknowledgement"),
                }
            )  # fmt: skip
        acknowledged += [{"at": one.at, "alert": ack.id, "by": ack.by, "note": ack.note or ""} for ack in acks]
    return [
        part(
            changes, "By policy offset; verified: the broker knows who it was, else the name is what was said.", changed
        ),
        part(
            taken,
            "Each alert by the beginning of its episode's id; burnline explain says why it was opened.",
            acknowledged,
        ),
    ]


def cell(value: object) -> str:
    """A value as text that is only text in Markdown; a dash where nothing is known."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int | float):
        return str(value)
    return _MARKED.sub(r"\\\1", _CONTROL.sub(" ", str(value)))
