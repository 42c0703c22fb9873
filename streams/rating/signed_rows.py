"""Messages of `usage.adjustments` as they were written: signed rows as columns, opening sums as delta rows.

A signed row stands whole, as it was rated: nothing here decodes, prices or attributes anew.
"""

from decimal import Decimal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import (
    ADJUSTMENT_HEADER,
    ADJUSTMENT_SCHEMA,
    DELTA_COUNTS,
    MONEY,
    OPENING_SCHEMA,
    AdjustmentHeaders,
    from_arrow_bytes,
)
from schemas.usage import INPUT_LEAVES
from streams.ports import SourceRecord
from streams.rating.costs import split
from streams.rating.groups import Codes, Ints, codes_of

_SCHEMAS = {"rows": ADJUSTMENT_SCHEMA, "opening": OPENING_SCHEMA}
_WRITES = [name for name in INPUT_LEAVES if "cache_write" in name]
_NOTHING = pa.scalar(Decimal(0), MONEY)


class SignedRows:
    """Rows of ADJUSTMENT_SCHEMA, as matches and sums take them; conforms to `groups.CodedRows`."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.rows: int = batch.num_rows
        self._batch = batch
        self._codes: dict[str, Codes] = {}
        self.event_us: Ints = batch.column("ts").cast(pa.int64()).to_numpy(zero_copy_only=False)
        self.policy_offset: Ints = self._whole("policy_offset")

    def codes(self, name: str) -> Codes:
        """A column of strings as codes."""
        if name not in self._codes:
            self._codes[name] = codes_of(self._batch.column(name))
        return self._codes[name]

    def counts(self) -> npt.NDArray[np.int64]:
        """What each row adds to sums, or takes from them: one row for each of DELTA_COUNTS."""
        micro, remainder = split(_pico_usd(self._batch.column("cost_usd")))
        ceiling_micro, ceiling_remainder = split(_pico_usd(self._batch.column("ceiling_cost_usd")))
        counts = {
            "requests": np.ones(self.rows, np.int64),
            "errors": self._having("status", {"error"}),
            "unpriced_requests": self._having("pricing_status", {"unpriced_model", "unpriced_leaf"}),
            "input_tokens": self._whole("input_tokens"),
            "output_tokens": self._whole("output_tokens"),
            "cache_read_tokens": self._whole("input_cache_read_tokens"),
            "cache_write_tokens": sum((self._whole(name) for name in _WRITES), np.zeros(self.rows, np.int64)),
            "reasoning_tokens": self._whole("output_reasoning_tokens"),
            "cost_micro_usd": micro,
            "cost_pico_remainder": remainder,
            "ceiling_micro_usd": ceiling_micro,
            "ceiling_pico_remainder": ceiling_remainder,
        }
        signed: npt.NDArray[np.int64] = np.array([counts[name] for name in DELTA_COUNTS]) * self._whole("sign")
        return signed

    def _whole(self, name: str) -> Ints:
        numbers: Ints = self._batch.column(name).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        return numbers

    def _having(self, name: str, values: set[str]) -> Ints:
        codes = self.codes(name)
        wanted = [at for at, value in enumerate(codes.values) if value in values]
        return np.isin(codes.codes, wanted).astype(np.int64)


def _pico_usd(amounts: pa.Array) -> Ints:
    """Amounts of Decimal(18, 12) as pico-USD, NULL as nothing: the low halves of their 16 bytes."""
    filled = amounts.fill_null(_NOTHING)
    halves: Ints = np.frombuffer(filled.buffers()[1], np.int64).reshape(-1, 2)
    return halves[filled.offset : filled.offset + len(filled), 0]


def adjustment_of(record: SourceRecord) -> tuple[AdjustmentHeaders, pa.RecordBatch]:
    """What a record of `usage.adjustments` says. Raises: CorruptStateError: the sink cannot have written it."""
    found = [value for name, value in record.headers if name == ADJUSTMENT_HEADER]
    where = f"usage.adjustments offset {record.offset}"
    try:
        header = msgspec.json.decode(found[0], type=AdjustmentHeaders)
        batch = from_arrow_bytes(record.value or b"")
    except (IndexError, msgspec.MsgspecError, pa.ArrowInvalid, StopIteration) as error:
        raise CorruptStateError(f"{where} cannot be read as an adjustment") from error
    if batch.schema != _SCHEMAS[header.kind]:
        raise CorruptStateError(f"{where}: its columns are not those of kind {header.kind!r}")
    return header, batch
