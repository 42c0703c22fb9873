"""Mooncake's public traces: JSON lines of arrivals, lengths and prefix blocks. Pure.

`timestamp` is in milliseconds from the start of the trace, which is put at 2000-01-01 UTC: replay it with `--at now`.
The trace names no org, user or model. Blocks seen before could have come from a cache; whether they did nobody says, so
their tokens are a tag (`cacheable_tokens`), not a cache read.
Source: https://github.com/kvcache-ai/Mooncake (FAST'25 traces, blocks of 512 tokens).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.documents import documents
from producers.dialects.values import Json, count, known_fields
from schemas.errors import InvalidMessage, Reason

START = datetime(2000, 1, 1, tzinfo=UTC)
_BLOCK_TOKENS = 512


def read(lines: Lines) -> Iterator[Row]:
    """One row per request."""
    seen: set[int] = set()
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield found
            continue
        try:
            at_ms, into, out, cacheable = _request(found.value, seen)
        except InvalidMessage as verdict:
            yield Skipped(found.row, verdict.reason, verdict.message)
            continue
        tags = {"cacheable_tokens": str(cacheable)} if cacheable else None
        data = known_fields(input_tokens=into, output_tokens=out, usage_source="reported", tags=tags)
        yield Draft(found.row, found.content, START + timedelta(milliseconds=at_ms), data)


def _request(value: object, seen: set[int]) -> tuple[int, int, int, int]:
    """Milliseconds from the start, input, output and cacheable tokens of a request."""
    if not isinstance(value, dict):
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", "no JSON object")
    at_ms, into, out = (count(value, key) for key in ("timestamp", "input_length", "output_length"))
    if at_ms is None or into is None or out is None:
        raise InvalidMessage(Reason.MISSING_FIELD, "", "timestamp, input_length and output_length are required")
    return at_ms, into, out, _cacheable(value, into, seen)


def _cacheable(request: Json, input_tokens: int, seen: set[int]) -> int:
    """The tokens of leading blocks that an earlier request had; the request's blocks are seen then."""
    listed = request.get("hash_ids")
    blocks = [block for block in listed if isinstance(block, int)] if isinstance(listed, list) else []
    known = next((place for place, block in enumerate(blocks) if block not in seen), len(blocks))
    seen.update(blocks)
    return min(known * _BLOCK_TOKENS, input_tokens)


DIALECT = Dialect(
    name="mooncake",
    about="Mooncake's traces (timestamp, input_length, output_length, hash_ids)",
    read=read,
    needs=("org", "provider", "model"),
)
