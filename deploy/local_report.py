"""A report of log files without a stack: their calls are priced and summed here, by rating's own rules.

Laws
1. Prices, leaves and refusals are rating's own: the same files in a stack sum up to the same.
2. Each row that was read is in a line, outside of what was asked, or counted in `skipped` with its reason.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from deploy.local_lines import Asked, Lines, check
from producers.dialect import Draft, Skipped
from schemas.errors import Reason
from schemas.usage import EARLIEST
from schemas.usage_codec import UsageDataStruct, UsageStruct
from streams.ports import SourceRecord
from streams.rating.charging import charge
from streams.rating.columns import Columns
from streams.rating.decoding import Decoded, decoded_of
from streams.rating.groups import Ints
from streams.rating.judging import MAX_AHEAD_US
from streams.rating.price_rules import Prices

_CHUNK = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OUTSIDE = 0  # rating never saw a record of these: they have no place in a log


@dataclass
class LocalReport:
    """The lines of the report, how many calls they are of, and the rows that were skipped, by reason."""

    lines: list[dict[str, Any]]
    calls: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str, count: int = 1) -> None:
        """So many more rows were skipped for this reason."""
        if count:
            self.skipped[reason] = self.skipped.get(reason, 0) + count


def local_report(rows: Iterable[Draft | Skipped], asked: Asked, prices: Prices, *, now: datetime) -> LocalReport:
    """The report of these rows, oldest line first; `now` judges what lies in the future.

    Raises: InputError: the period or a dimension does not exist.
    """
    check(asked)
    report, lines = LocalReport([]), Lines(asked)
    calls = _calls(rows, report)
    while some := list(islice(calls, _CHUNK)):
        columns = Columns(_decoded(some))
        charges = charge(columns, prices)
        early = columns.event_us > _micros(now) + MAX_AHEAD_US
        disagree = ~(columns.input.agree & columns.output.agree)
        report.skip(str(Reason.TOKENS_DISAGREE), int(disagree.sum()))
        report.skip(str(Reason.IN_THE_FUTURE), int((early & ~disagree).sum()))
        report.skip(str(Reason.COST_TOO_LARGE), int((charges.refused & ~early & ~disagree).sum()))
        valid: Ints = np.flatnonzero(~(disagree | early | charges.refused))
        report.calls += lines.add(columns, charges, valid)
    report.skip(f"no_{asked.period}", lines.unnamed)
    report.lines = lines.told()
    return report


def _calls(rows: Iterable[Draft | Skipped], report: LocalReport) -> Iterator[UsageStruct]:
    """Each row that is a call, as rating reads events."""
    for row in rows:
        if isinstance(row, Skipped):
            report.skip(str(row.reason))
        elif row.time is None:
            report.skip("no_time")
        elif row.time < EARLIEST:
            report.skip(str(Reason.OUT_OF_RANGE))
        else:
            try:
                data = msgspec.convert(row.data, UsageDataStruct)
            except (msgspec.ValidationError, OverflowError):
                report.skip("no_event")
                continue
            yield UsageStruct("1.0", "burnline.usage.v1", row.source or "local", "local", row.time, data)


def _decoded(some: list[UsageStruct]) -> Decoded:
    record = SourceRecord(_OUTSIDE, _OUTSIDE, None, None, ())
    return decoded_of(some, np.array([_micros(event.time) for event in some], np.int64), [record] * len(some))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
