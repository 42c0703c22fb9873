"""A seeded working day of a company, with what is true of it: `write_day(folder, end=...)`.

`events.jsonl` are CloudEvents in the order of sending (`burnline replay burnline events.jsonl`), `outcomes.jsonl`
what came of them (`burnline replay outcomes outcomes.jsonl`), `ledger.json` is what must come out, `budgets.toml` what
`burnline apply` puts in force before.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from producers.simulator.day import DEFAULT_EVENTS, DEFAULT_SEED, Day, simulate
from schemas.errors import InputError

__all__ = ["DEFAULT_EVENTS", "DEFAULT_SEED", "Day", "WrittenDay", "simulate", "write_day"]


@dataclass(frozen=True, kw_only=True)
class WrittenDay:
    """Where a day was written, and its ledger."""

    events: Path
    outcomes: Path
    ledger: Path
    budgets: Path
    truth: dict[str, Any]


def write_day(folder: Path, *, end: datetime, seed: int = DEFAULT_SEED, events: int = DEFAULT_EVENTS) -> WrittenDay:
    """The day that ends at `end` stands in the folder, which is made if need be: four files, each replaced whole.

    Raises: InputError: an argument is out of its range, or the folder cannot be written.
    """
    day = simulate(end=end, seed=seed, events=events)
    written = WrittenDay(
        events=folder / "events.jsonl",
        outcomes=folder / "outcomes.jsonl",
        ledger=folder / "ledger.json",
        budgets=folder / "budgets.toml",
        truth=day.ledger,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written.events.write_bytes(b"".join(line + b"\n" for line in day.lines))
        written.outcomes.write_bytes(b"".join(line + b"\n" for line in day.outcomes))
        written.ledger.write_bytes(msgspec.json.format(msgspec.json.encode(day.ledger), indent=2) + b"\n")
        written.budgets.write_text(day.budgets_toml, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
    return written
