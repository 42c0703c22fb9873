"""Which decoded events may be counted: those whose leaves agree, that are not of the future, and not absurdly dear."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import InvalidMessage, Reason
from schemas.usage_codec import refuse
from streams.ports import SourceRecord
from streams.rating.charging import Charges
from streams.rating.columns import Columns
from streams.rating.costs import Bools
from streams.rating.decoding import Refused, binary_attributes
from streams.rating.groups import Ints

MAX_AHEAD_US = 300_000_000
"""How far an event may lie ahead of its append time: clocks of emitters differ."""


@dataclass(frozen=True)
class Judged:
    """The rows that may be counted, and the others with the first reason that speaks against each."""

    valid: Ints
    refused: list[Refused]


def judge(columns: Columns, charges: Charges, records: Sequence[SourceRecord]) -> Judged:
    """The verdict on each row."""
    disagree = ~(columns.input.agree & columns.output.agree)
    early = ~disagree & (columns.event_us > columns.append_us + MAX_AHEAD_US)
    too_large = ~disagree & ~early & charges.refused
    refused = _disagreeing(records, disagree)
    refused.extend(_in_the_future(columns, records, early))
    refusal = InvalidMessage(Reason.COST_TOO_LARGE, "data", "the event would cost 1,000,000 USD or more")
    refused.extend((records[row], refusal) for row in np.flatnonzero(too_large).tolist())
    return Judged(np.flatnonzero(~(disagree | early | too_large)), refused)


def _disagreeing(records: Sequence[SourceRecord], rows: Bools) -> list[Refused]:
    found: list[Refused] = []
    for row in np.flatnonzero(rows).tolist():
        record = records[row]
        try:
            refuse(record.value or b"", binary_attributes(record.headers))
        except InvalidMessage as refusal:
            found.append((record, refusal))
    return found


def _in_the_future(columns: Columns, records: Sequence[SourceRecord], rows: Bools) -> list[Refused]:
    found: list[Refused] = []
    for row in np.flatnonzero(rows).tolist():
        ahead_sec = int(columns.event_us[row] - columns.append_us[row]) // 1_000_000
        allowed = f"at most {MAX_AHEAD_US // 1_000_000} s are taken"
        said = f"the event's time is {ahead_sec} s ahead of its arrival; {allowed}"
        found.append((records[row], InvalidMessage(Reason.IN_THE_FUTURE, "time", said)))
    return found
