"""What flows on `internal.steps`: slim rows of single events, for rules that sums cannot answer. Nobody's contract.

A message is one rating batch's rows of the partition's organisations as one Arrow stream; b"" where it has none. A
column that is null in all of its rows is left out. A row is one event that names a run, a session, a fingerprint or a
credential. All other events of a batch are *rests*: one row per org, place (`PLACES`), refusal, `live`, `owned` and
`unpriced`, with `events` of them summed and nobody named, so that shares and places of all spending can be told.
"""

import pyarrow as pa

STEP_TEXTS = (
    "team", "user", "credential", "agent", "service", "environment", "auth_type", "identity_trust",
    "run", "session", "task_template", "parent_event_id", "tool", "tool_call_hash",
    "provider", "model", "region", "data_region", "inference_region", "data_class", "client_address_hash",
    "finish_reason", "status", "prompt_fingerprint", "prefix_fingerprint",
)  # fmt: skip
"""Columns as events have them, after directory and aliases."""
STEP_NUMBERS = ("step", "http_status", "estimated_tokens", "latency_ms")
"""Numbers as events have them; null where they have none."""
NAMING = ("run", "session", "prompt_fingerprint", "prefix_fingerprint", "credential")
"""An event that has one of these is a row of its own."""
PLACES = ("provider", "model", "region", "inference_region", "data_class")
"""Where a call went and with what data: said of rests, too."""
REFUSED = 429
"""HTTP's word for too many requests: the one status that is said of rests."""

STEP_SCHEMA = pa.schema(
    [
        ("org", pa.string()),
        ("ts_us", pa.int64()),  # event time; of a rest the newest of its events
        ("live", pa.bool_()),
        ("owned", pa.bool_()),  # it names a team or a user, after the directory
        ("unpriced", pa.bool_()),
        ("events", pa.int64()),  # 1, or how many a rest sums
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("cost_micro_usd", pa.int64()),  # 0 where it has no price
        ("cost_pico_remainder", pa.int64()),  # 0 <= this < 10**6 per event
        ("claims", pa.string()),  # which identities the caller claimed beside those that count, joined by commas
        *((name, pa.string()) for name in STEP_TEXTS),
        *((name, pa.int64()) for name in STEP_NUMBERS),
    ]
)
"""All columns, in order; those of a message are some of them."""


def without_empty(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without the columns in which nothing stands."""
    columns, rows = batch.columns, batch.num_rows
    said = [at for at, column in enumerate(columns) if column.null_count < rows]
    return batch if len(said) == len(columns) else batch.select(said)
