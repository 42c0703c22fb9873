"""A quarter of a small company with planted waste, known to the pico-dollar, and all that only looks like it."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.internal import RATED_SCHEMA
from schemas.outcomes import OUTCOME_TYPE
from schemas.usage import LEAVES

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAYS = 91
Json = dict[str, Any]
PROVEN = ("duplicate", "failed_attempt", "regenerated_after_acceptance")
_UNSEEN_DAYS = 20
"""Every so many days the waste is of a client that says too little of them: planted, not to be found."""
_PEOPLE = ("ana", "ben", "chloe")
HEAVY = "omar"
"""Uses three times as much as anybody, and nothing for nothing."""


@dataclass
class Quarter:
    """Calls, what judges them, and the planted waste: call ids and dollars by kind."""

    calls: list[Json] = field(default_factory=list)
    words: list[Json] = field(default_factory=list)
    planted: dict[str, str] = field(default_factory=dict)
    planted_usd: dict[str, Decimal] = field(default_factory=dict)

    def add(self, at: float, user: str, *, waste: str | None = None, **data: Any) -> str:  # noqa: ANN401  columns of any type
        """A call at so many minutes of the quarter; returns its id."""
        number = len(self.calls)
        cost = Decimal(number % 997 + 1) / 1000 + Decimal(number).scaleb(-12)
        known: Json = {"user": user, "credential": f"key-{user}", "operation_id": f"op-{number}", "cost_usd": cost}
        made = _BLANK | {"id": f"call-{number}", "event_id": f"{number:032x}", "ts": START + timedelta(minutes=at)}
        made |= {"received_at": made["ts"], "event_offset": number, **known, **data}
        self.calls.append(made)
        if waste is not None:
            self.planted[made["id"]] = waste
            self.planted_usd[waste] = self.planted_usd.get(waste, Decimal(0)) + made["cost_usd"]
        return str(made["id"])


_BLANK: Json = dict.fromkeys(RATED_SCHEMA.names) | dict.fromkeys(LEAVES, 0)
_BLANK |= {"source": "bench/waste", "revision": 1, "org": "acme", "team": "code", "use_case": "checkout"}
_BLANK |= {"provider": "openai", "model": "gpt-4o", "operation": "chat", "status": "ok", "latency_ms": 3000}
_BLANK |= {"input_tokens": 800, "input_uncached_tokens": 800, "output_tokens": 200, "output_text_tokens": 200}
_BLANK |= {"pricing_status": "priced", "price_book_version": "bench", "policy_offset": -1, "event_partition": 0}
_BLANK |= {"live": True, **dict.fromkeys(("maybe_duplicate", "corrects", "astray", "void"), False)}
"""A call of 800 tokens in and 200 out."""


def quarter(seed: int) -> Quarter:
    """The quarter of this seed."""
    r = random.Random(seed)  # noqa: S311  no secret
    found = Quarter()
    for day in range(DAYS):
        for user in _PEOPLE:
            _honest_day(found, r, day * 1440 + r.randrange(60), user)
        for number in range(30):
            prompt: Json = {"prompt_fingerprint": f"k-{day}-{number}", "prefix_fingerprint": "k-heavy"}
            cached: Json = {"input_cache_read_tokens": 8000, "input_uncached_tokens": 500, "input_tokens": 8500}
            found.add(day * 1440 + 540 + number * 4, HEAVY, session="long", **prompt, **cached)
        _wasteful_day(found, r, day)
    return found


def _honest_day(found: Quarter, r: random.Random, at: float, user: str) -> None:
    """Questions; samples asked at once; the same again an hour later; an attempt refused for nothing; an outage."""
    asked = {"prompt_fingerprint": f"k-{user}-{at}"}
    found.add(at, user, **asked)
    found.add(at + 0.02, user, **asked)  # on its way still: a sample
    found.add(at + 60, user, **asked)
    operation = f"op-{user}-{at}"
    found.add(at + 70, user, operation_id=operation, status="error", cost_usd=Decimal(0), attempt=1)
    found.add(at + 71, user, operation_id=operation, attempt=2)
    if r.random() < 0.1:
        found.add(at + 80, user, status="error")  # billed, never answered: an outage
    first = found.add(at + 90, user)
    found.add(at + 92, user, request_kind="regenerate", parent_event_id=first)
    _judge(found, first, at + 95)


def _wasteful_day(found: Quarter, r: random.Random, day: int) -> None:
    """One of each proven kind, of somebody, now and then by a client that says too little of it."""
    user, at = r.choice(_PEOPLE), day * 1440 + 720
    said = day % _UNSEEN_DAYS != 0
    asked = {"prompt_fingerprint": f"k-twice-{at}" if said else None}
    found.add(at, user, **asked)
    found.add(at + 3, user, waste="duplicate", **asked)
    operation = f"op-failed-{at}"
    known = operation if said else None
    found.add(at + 20, user, waste="failed_attempt", status="error", operation_id=known, attempt=1)
    found.add(at + 21, user, operation_id=operation, attempt=2)
    first = found.add(at + 40, user)
    _judge(found, first, at + 45)
    waste = "regenerated_after_acceptance"
    found.add(at + 50, user, waste=waste, request_kind="regenerate", parent_event_id=first if said else None)


def _judge(found: Quarter, call_id: str, at: float) -> None:
    """The answer is accepted then."""
    time = START + timedelta(minutes=at)
    said = {"org": "acme", "outcome_type": "feedback", "call": call_id, "accepted": True}
    envelope = {"specversion": "1.0", "type": OUTCOME_TYPE, "source": "bench/waste", "id": f"judged-{call_id}"}
    found.words.append(envelope | {"time": time.isoformat(), "data": said})
