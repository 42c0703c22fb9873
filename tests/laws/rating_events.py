"""Events, records and policies for the tests of rating."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pyarrow as pa
from hypothesis import strategies as st

from schemas.internal import batch_from_headers, from_arrow_bytes
from schemas.policies import AnyPolicy, InForce, Key, Policies, key_of
from schemas.usage import MAX_TOKENS
from streams.ports import Output, SourceBatch, SourceRecord, StepResult
from streams.rating.preview import priced_lines
from streams.rating.price_rules import Prices
from streams.rating.prices import PriceBook
from streams.rating.stage import RatingLane, RatingStage

NOW_US = 1_795_338_903_500_000  # 2026-11-22T09:15:03.5Z
NOW_TIME = "2026-11-22T09:15:03.120000Z"
Event = dict[str, Any]
BOOK = PriceBook()
PRICES = Prices(BOOK)


class FixedPolicies:
    """A policy log that does not change."""

    def __init__(self, *policies: AnyPolicy, offset: int = 3) -> None:
        self._policies: dict[Key, InForce] = {
            key_of(policy): InForce(policy=policy, since=0, matched_since=0) for policy in policies
        }
        self._offset = offset if policies else -1

    def latest(self) -> tuple[int, Policies]:
        """Everything."""
        return self._offset, self._policies

    def at(self, offset: int) -> Policies:
        """Everything, at any offset."""
        del offset
        return self._policies


def event(id_: str = "e-1", *, source: str = "gateway", time: str = NOW_TIME, **data: Any) -> Event:
    """An ordinary event, with some fields of its data set (None removes one)."""
    given = {
        "org": "acme", "team": "code", "user": "ana", "credential": "key-41", "provider": "openai", "model": "gpt-4o",
        "input_tokens": 4808, "input_cache_read_tokens": 3072, "output_tokens": 310, "output_reasoning_tokens": 120,
        "status": "ok",
    }  # fmt: skip
    given.update(data)
    kept = {name: value for name, value in given.items() if value is not None}
    return {
        "specversion": "1.0", "type": "burnline.usage.v1", "source": source, "id": id_, "time": time, "data": kept,
    }  # fmt: skip


def raw(an_event: Event) -> bytes:
    """Its JSON."""
    return json.dumps(an_event).encode()


def record(value: bytes | None, offset: int = 0, *, append_time_us: int = NOW_US, **more: Any) -> SourceRecord:
    """A record of usage.events."""
    return SourceRecord(offset, append_time_us, more.get("key", b"key-41"), value, more.get("headers", ()))


def records(values: Iterable[bytes | None], *, append_time_us: int = NOW_US) -> list[SourceRecord]:
    """Records in offset order, a millisecond apart."""
    return [record(value, at, append_time_us=append_time_us + 1000 * at) for at, value in enumerate(values)]


def batch(some: Sequence[SourceRecord]) -> SourceBatch:
    """A batch of partition 0."""
    return SourceBatch("usage.events", 0, some)


def new_lane(*policies: AnyPolicy, window_events: int = 1000) -> RatingLane:
    """A fresh lane of partition 0."""
    return cast("RatingLane", new_stage(*policies, window_events=window_events).lane("usage.events", 0))


def new_stage(*policies: AnyPolicy, window_events: int = 1000) -> RatingStage:
    """A stage under fixed policies."""
    return RatingStage(FixedPolicies(*policies), window_events=window_events, book=BOOK)


def step(lane: RatingLane, values: Iterable[bytes | None]) -> StepResult:
    """What a batch of these values leads to."""
    return lane.step(batch(records(values)))


def sent(result: StepResult, topic: str) -> list[Output]:
    """What was sent to a topic."""
    return [output for output in result.outputs if output.topic == topic]


def rows_of(result: StepResult) -> list[dict[str, Any]]:
    """The rated rows."""
    batches = [from_arrow_bytes(output.value) for output in sent(result, "internal.rated")]
    return [row for piece in batches for row in piece.to_pylist()]


def deltas_of(result: StepResult) -> list[dict[str, Any]]:
    """The delta rows of all partitions."""
    batches = [from_arrow_bytes(output.value) for output in sent(result, "internal.deltas")]
    return [row for piece in batches for row in piece.to_pylist()]


def dead_letters_of(result: StepResult) -> list[dict[str, Any]]:
    """The data of the dead letters."""
    return [msgspec.json.decode(output.value)["data"] for output in sent(result, "usage.dead_letters")]


def headers_of(output: Output) -> Any:
    """Its batch header."""
    return batch_from_headers(output.headers)


def arrow(result: StepResult, topic: str) -> list[pa.RecordBatch]:
    """The Arrow batches sent to a topic."""
    return [from_arrow_bytes(output.value) for output in sent(result, topic) if output.value]


MODELS = (
    ("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"), ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-chat"), ("openai", "no-such-model"), ("nobody", "gpt-4o"), ("cohere", "embed-v4.0"),
)  # fmt: skip
few_ids = st.integers(0, 30)
small = st.integers(0, 300_000)
tokens = st.one_of(small, st.integers(0, MAX_TOKENS))
name = st.sampled_from(["a", "b", "c", "größe", "日本", "🔥", "עברית"])
maybe_name = st.none() | name
time_us = st.integers(0, 90_000_000).map(lambda ago: NOW_US - ago)


def rfc3339(at_us: int) -> str:
    """A time in RFC 3339."""
    whole, part = divmod(at_us, 1_000_000)
    return f"{msgspec.json.encode(_utc(whole)).decode()[1:-2]}.{part:06d}Z"


def _utc(seconds: int) -> Any:
    return datetime.fromtimestamp(seconds, UTC)


@st.composite
def usage_events(draw: Callable[[Any], Any], *, ids: Any = few_ids, counts: Any = small) -> Event:
    """Valid events of a small world: few names, few ids, so that they meet."""
    provider, model = draw(st.sampled_from(MODELS))
    cache, reasoning = draw(counts), draw(counts)
    return event(
        f"e-{draw(ids)}",
        time=rfc3339(draw(time_us)),
        org=draw(st.sampled_from(["acme", "globex", "initech"])),
        team=draw(maybe_name),
        user=draw(maybe_name),
        credential=draw(maybe_name),
        agent=draw(maybe_name),
        use_case=draw(maybe_name),
        project=draw(maybe_name),
        pool=draw(maybe_name),
        client_address_hash=draw(maybe_name),
        provider=provider,
        model=model,
        input_tokens=draw(st.none() | counts.map(lambda more: cache + more)),
        input_cache_read_tokens=draw(st.sampled_from([None, cache])),
        output_tokens=reasoning + draw(counts),
        output_reasoning_tokens=draw(st.sampled_from([None, reasoning])),
        status=draw(st.sampled_from(["ok", "error", None])),
        gateway_cache_hit=draw(st.sampled_from([None, None, False, True])),
    )


def priced(prices: Prices, *, at_time: str = NOW_TIME, **data: Any) -> dict[str, Any]:
    """How one call is priced."""
    given = {"input_cache_read_tokens": None, "output_reasoning_tokens": None, **data}
    at_us = int(datetime.fromisoformat(at_time).timestamp()) * 1_000_000
    (line,) = priced_lines([raw(event(time=at_time, **given))], append_time_us=at_us, prices=prices)
    pricing: dict[str, Any] = line["pricing"]
    return pricing
