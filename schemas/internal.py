"""What flows between our own stages: Arrow schemas, headers. Nobody's contract; may change with a version.

Every message of `internal.rated` and `internal.deltas` is one rating batch (or a piece of it) as one Arrow IPC stream
(of few rows within an lz4 frame: `to_arrow_bytes`) with the headers of `BatchHeaders`. A rating batch sends one message
to *every* partition of `internal.deltas`, empty where it has no rows (several where one would be too large: the last
moves the clock); a tick the same without rows.
Long because it lists every column that flows.
"""

from collections.abc import Iterable
from typing import Literal

import lz4.frame
import msgspec
import pyarrow as pa

from schemas.periods import BUCKET_US as BUCKET_US  # noqa: PLC0414  deltas are summed in these
from schemas.usage import LEAVES

MONEY = pa.decimal128(18, 12)
_TIME = pa.timestamp("us", tz="UTC")
_STRINGS = pa.map_(pa.string(), pa.string())

WHO = (
    "org", "business_unit", "cost_center", "team", "project", "user", "end_user", "credential", "agent", "service",
    "environment", "auth_type", "identity_trust",
)  # fmt: skip
WHAT = (
    "run", "session", "task", "task_class", "task_template", "use_case", "purpose", "spend_class", "pool", "operation",
    "operation_id",
)  # fmt: skip
WHERE = (
    "provider", "requested_model", "model", "service_tier", "hosting", "region", "data_region", "inference_region",
    "data_class", "client_address_hash", "user_agent",
)  # fmt: skip

RATED_SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),  # 32 hex digits of BLAKE2b-128 over source, NUL, id
        ("source", pa.string()),
        ("id", pa.string()),
        ("revision", pa.uint32()),
        ("ts", _TIME),
        ("received_at", _TIME),  # append time of the record in usage.events
        ("import_id", pa.string()),
        *((name, pa.string()) for name in WHO),
        ("asserted", _STRINGS),
        *((name, pa.string()) for name in WHAT),
        ("attempt", pa.uint32()),
        ("parent_event_id", pa.string()),
        ("request_kind", pa.string()),
        ("step", pa.uint32()),
        ("tool", pa.string()),
        ("tool_call_hash", pa.string()),
        ("language", pa.string()),
        *((name, pa.string()) for name in WHERE),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        *((name, pa.int64()) for name in LEAVES),
        ("units", pa.map_(pa.string(), pa.float64())),
        ("estimated_tokens", pa.int64()),
        ("usage_source", pa.string()),
        ("gateway_cache_hit", pa.bool_()),
        ("status", pa.string()),
        ("http_status", pa.uint16()),
        ("finish_reason", pa.string()),
        ("latency_ms", pa.uint32()),
        ("ttft_ms", pa.uint32()),
        ("prompt_fingerprint", pa.string()),
        ("prefix_fingerprint", pa.string()),
        ("cost_usd", MONEY),
        ("list_cost_usd", MONEY),
        ("as_charged_cost_usd", MONEY),
        ("reported_cost_usd", MONEY),
        ("ceiling_cost_usd", MONEY),
        ("pricing_status", pa.string()),  # priced, unpriced_model, unpriced_leaf, no_usage, gateway_cache_hit
        ("price_book_version", pa.string()),
        ("tags", _STRINGS),
        ("live", pa.bool_()),  # not part of the view: backfill or not, as rating saw it
        ("maybe_duplicate", pa.bool_()),  # rating cannot know that it is new: the sink looks it up
        ("corrects", pa.bool_()),  # rating sent no sums for it: the sink says what it changes
        ("astray", pa.bool_()),  # its copies belong into another partition, where rating does not know of it
        ("void", pa.bool_()),  # it counts as nothing
        ("policy_offset", pa.int64()),
        ("event_partition", pa.int32()),  # where the event stood in usage.events
        ("event_offset", pa.int64()),
    ]
)
"""One row per counted event, in the order of the columns of the view `usage_events`, then our own."""

DELTA_COUNTS = (
    "requests", "errors", "unpriced_requests", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "reasoning_tokens", "cost_micro_usd", "cost_pico_remainder", "ceiling_micro_usd",
    "ceiling_pico_remainder",
)  # fmt: skip
"""What is summed. `cost` is of what has a price; `ceiling` is what the rest may have cost at most, kept apart from it.

Each is a pair: micro-USD, and 0 <= pico remainder < 10**6.
"""
MONEY_PAIRS = (("cost_micro_usd", "cost_pico_remainder"), ("ceiling_micro_usd", "ceiling_pico_remainder"))
DELTA_SCHEMA = pa.schema(
    [
        ("org", pa.string()),
        ("entity_type", pa.string()),  # one of ENTITY_TYPES, or "budget": then entity_id is the budget's id
        ("entity_id", pa.string()),
        ("member", pa.string()),  # of a budget for each member of a scope; else null
        ("bucket_us", pa.int64()),  # start of the 10 s bucket of event time, microseconds since 1970
        ("live", pa.bool_()),
        *((name, pa.int64()) for name in DELTA_COUNTS),
        ("first_us", pa.int64()),  # earliest and latest event time in the row
        ("last_us", pa.int64()),
        ("user_hashes", pa.list_(pa.uint64())),  # of a credential: up to 16 smallest hashes of its distinct users
        ("address_hashes", pa.list_(pa.uint64())),  # of a credential: the same of its distinct client addresses
    ]
)
"""Mergeable sums per (org, entity or budget member, bucket, live), sorted by these, so that bytes are repeatable."""


ADJUSTMENT_SCHEMA = pa.schema(
    [
        *RATED_SCHEMA,  # the row as it was stored or rated: whole, attributed, priced
        ("sign", pa.int8()),  # +1: it counts from now on; -1: it counts no more
        ("reason", pa.string()),  # late_duplicate, revision, undo, rerate
    ]
)
"""One row per correction that only the ledger can know. Sums over `sign` times the row follow the ledger exactly."""

OPENING_SCHEMA = pa.schema([*DELTA_SCHEMA, ("matched_since", pa.int64())])
"""What a new budget had spent before rating knew it: delta rows of entity type `budget`, bucket = start of a local day.

`matched_since` says for which life of the budget the row is: one that matches something else by now is not debited.
"""


class AdjustmentHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """What a message of `usage.adjustments` is; its header `adjustment`, as JSON.

    A signed row debits a budget if its `policy_offset` or `opened` has reached the budget's `matched_since`: then the
    budget has counted the row, directly or through its opening.
    """

    kind: Literal["rows", "opening"]  # ADJUSTMENT_SCHEMA or OPENING_SCHEMA
    opened: int  # every budget whose `matched_since` is up to here has been opened from the ledger; -1 none
    group_id: str = ""  # of the sink's group that led to it
    rows: int = 0


ADJUSTMENT_HEADER = "adjustment"


class BatchHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says about one rating batch; the header `batch` of each of its messages, as JSON."""

    source_topic: str
    source_partition: int
    lanes: int  # how many source partitions there are in all: burn waits for each of them
    first_offset: int  # of the source records in the batch; equal to next_offset for a tick
    next_offset: int
    log_time_us: int  # append time of the last source record, or of the previous tick
    policy_offset: int  # the highest offset of usage.policies that rated it; -1 before any
    tick: bool
    piece: int = 0  # which piece of a batch that was cut for size
    rows: int = 0
    clock: bool = True  # False: it moves no clock: of a lane without ticks (usage.adjustments), or more pieces follow
    opened: int = -1  # budgets whose `matched_since` is up to here are open with this message and may be judged
    windows: bool = True  # False: its rows count in budget periods only: shares of charges are no burn rate

    def lane(self) -> str:
        """The lane's name: topic and partition."""
        return f"{self.source_topic}/{self.source_partition}"


BATCH_HEADER = "batch"


def batch_header(headers: BatchHeaders) -> tuple[str, bytes]:
    """The Kafka header that carries it."""
    return (BATCH_HEADER, msgspec.json.encode(headers))


def batch_from_headers(headers: Iterable[tuple[str, bytes | None]]) -> BatchHeaders:
    """The batch header of a record. Raises: KeyError: there is none."""
    for name, value in headers:
        if name == BATCH_HEADER and value is not None:
            return msgspec.json.decode(value, type=BatchHeaders)
    raise KeyError(BATCH_HEADER)


# One thread: for our sizes the pool costs five times the processor time of the work itself.
_WRITE_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_WRITE_PLAIN = pa.ipc.IpcWriteOptions(use_threads=False)
_READ = pa.ipc.IpcReadOptions(use_threads=False)
"""Arrow's threads cost five times what reading a small batch takes."""
CODED_ROWS = 256
"""For fewer rows a dictionary for each column of text saves no bytes to speak of, and costs its readers 2 us a row.

Nor does lz4 of each buffer, which costs 2 us a buffer: a message of few rows is one lz4 frame, three times as short.
"""
_FRAME = bytes.fromhex("04224d18")
"""How an lz4 frame begins; an Arrow stream begins otherwise."""


def to_arrow_bytes(table: pa.RecordBatch) -> bytes:
    """One record batch as an Arrow IPC stream compressed by lz4: its buffers, or of few rows all of it."""
    few = table.num_rows < CODED_ROWS
    if few:
        table = without_dictionaries(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_WRITE_PLAIN if few else _WRITE_OPTIONS) as writer:
        writer.write_batch(table)
    raw = sink.getvalue()
    return lz4.frame.compress(raw) if few else raw.to_pybytes()  # type: ignore[no-any-return]  # neither has types


def from_arrow_bytes(raw: bytes) -> pa.RecordBatch:
    """The record batch in the bytes of `to_arrow_bytes`, text as text. Raises: pyarrow.ArrowInvalid: they are none."""
    try:
        stream = lz4.frame.decompress(raw) if raw.startswith(_FRAME) else raw
    except RuntimeError as error:
        raise pa.ArrowInvalid(f"a broken lz4 frame: {error}") from error
    with pa.ipc.open_stream(stream, options=_READ) as reader:
        return without_dictionaries(reader.read_next_batch())


def nulls_of(schema: pa.Schema) -> dict[str, pa.Array]:
    """Columns in which nothing stands, CODED_ROWS long; a slice of one is quicker to make than a column."""
    return {field.name: pa.nulls(CODED_ROWS, field.type) for field in schema}


def nothing(nulls: pa.Array, rows: int) -> pa.Array:
    """So many rows of a column in which nothing stands, out of `nulls_of`."""
    return nulls.slice(0, rows) if rows <= CODED_ROWS else pa.nulls(rows, nulls.type)


def without_dictionaries(table: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with every column of text as text."""
    if not any(pa.types.is_dictionary(type_) for type_ in table.schema.types):
        return table
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(columns, table.schema.names)
