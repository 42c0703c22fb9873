"""Calls and outcomes that were thought up: what is waste and what only looks like it; changes at every stage."""

from datetime import timedelta
from typing import Any

from tests.value_world import START, Json, call, outcome


def planted_waste() -> tuple[list[Json], list[Json], dict[str, str]]:
    """Outcomes, calls, and the kind of waste of each call that is some; beside each kind what must not be found."""
    same: Json = {"prompt_fingerprint": "k-same", "latency_ms": 2000, "user": "ana", "credential": "key-1"}
    calls: list[Json] = []
    waste: dict[str, str] = {}

    def add(kind: str | None, minute: float, **data: Any) -> str:
        number = len(calls)
        calls.append(call(number, at=START + timedelta(minutes=minute), cost_usd=f"0.{number + 1:012}", **data))
        if kind is not None:
            waste[f"call-{number}"] = kind
        return f"call-{number}"

    add(None, 0, **same)
    add("duplicate", 1, **same)
    add("duplicate", 10.9, **same)  # within ten minutes of the one before it
    add(None, 22, **same)  # the answer is too old
    add(None, 22.02, **same)  # asked while the first was still under way: a sample, perhaps
    look_alikes: tuple[Json, ...] = (
        {"user": "ben"},
        {"model": "o3"},
        {"request_kind": "sample"},
        {"purpose": "evaluation"},
        {"spend_class": "discovery"},
        {"gateway_cache_hit": True},
        {"prompt_fingerprint": None},
        {"prompt_fingerprint": "k-other"},
        {"attempt": 2},
    )
    for minute, change in enumerate(look_alikes):
        add(None, 24 + minute / 10, **same | change)
    unknown = same | {"prompt_fingerprint": "k-unknown", "latency_ms": None}
    add(None, 40, **unknown)
    add(None, 41, **unknown)  # nobody knows when the first answer was there
    mixed = same | {"prompt_fingerprint": "k-mixed"}
    add(None, 44, **mixed)
    add("duplicate", 45, **mixed | {"latency_ms": None})
    add(None, 46, **mixed)  # nor when the second was
    failed = same | {"prompt_fingerprint": "k-failed"}
    add(None, 50, **failed, status="error")
    add(None, 51, **failed)  # the first was no answer
    add("failed_attempt", 60, status="error", operation_id="op-1", attempt=1)
    add("failed_attempt", 61, status="error", operation_id="op-1", attempt=2)
    add(None, 62, operation_id="op-1", attempt=3)
    add(None, 63, status="error", operation_id="op-1", attempt=4)  # nothing came of it, but the answer was there
    add(None, 64, status="error", operation_id="op-2")  # never answered: an outage, no waste of the caller's
    add(None, 65, status="error")
    add(None, 66, operation_id=None)
    first = add(None, 70)
    add(None, 71, request_kind="regenerate", parent_event_id=first)  # before it was accepted
    add("regenerated_after_acceptance", 80, request_kind="regenerate", parent_event_id=first)
    add(None, 81, request_kind="follow_up", parent_event_id=first)
    refused = add(None, 82)
    add(None, 90, request_kind="regenerate", parent_event_id=refused)
    prefix: Json = {"prefix_fingerprint": "k-prefix", "input_uncached_tokens": 5000, "input_cache_read_tokens": 0}
    add(None, 100, **prefix)
    add("missed_prompt_cache", 104, **prefix)
    add(None, 106, **prefix | {"input_cache_read_tokens": 4000})
    add(None, 107, **prefix | {"input_uncached_tokens": 400})
    add(None, 120, **prefix)
    for number in range(100):  # uses it all day, and never for nothing
        add(None, number, user="heavy", prompt_fingerprint=f"k-heavy-{number}", latency_ms=1000)
    for one in calls:
        one["input_tokens"] = one["input_uncached_tokens"] + one["input_cache_read_tokens"]
    said = [
        outcome("judged-1", at=START + timedelta(minutes=75), outcome_type="feedback", call=first, accepted=True),
        outcome("judged-2", at=START + timedelta(minutes=85), outcome_type="feedback", call=refused, accepted=False),
    ]
    return said, calls, waste


def staged() -> tuple[list[Json], list[Json]]:
    """Four changes at different stages, what was found in them, metrics; and two calls of a dollar each."""
    place: Json = {"team": "code", "use_case": "checkout"}

    def stage(id_: str, artifact: str, kind: str, **data: Any) -> Json:
        return outcome(id_, **place, artifact=artifact, outcome_type=kind, **data)

    def finding(id_: str, **data: Any) -> Json:
        return outcome(id_, outcome_type="security_finding", **{"finding_state": "open", **data})

    words = [
        stage("1", "a", "suggested", user="ana"),
        stage("2", "a", "accepted", accepted=True, reviewer="ben", minutes_claimed="90.5"),
        stage("3", "a", "merged", accepted=True, user="ana", intervention=True),
        stage("4", "a", "released", value_usd="-3"),
        stage("5", "a", "reverted"),
        stage("6", "b", "suggested", user="ana"),
        stage("7", "b", "accepted", accepted=True, reviewer="ana"),  # her own change
        stage("8", "b", "merged", accepted=True, user="ana", commit="b0b", intervention=False, risk="high"),
        stage("9", "c", "merged", accepted=False, user="eve"),
        stage("10", "c", "accepted", accepted=False, reviewer="ben"),
        stage("11", "d", "suggested", user="eve"),
        finding("f1", artifact="a"),
        finding("f1", revision=2, finding_state="fixed", commit="b0b"),  # fixed where another change stands
        finding("f2", commit="b0b"),
        finding("f3", artifact="a"),
        finding("f3", revision=2, void=True, artifact="a"),
        finding("f4", commit="nobody"),
        outcome(
            "m1", outcome_type="metric", use_case="checkout", metric="cycle_time", metric_value="3.5",
            metric_unit="hours", period_from="2026-11-01", period_until="2026-12-01",
        ),
        outcome("m2", outcome_type="metric", use_case="checkout", metric="escalations", metric_value="4"),
    ]  # fmt: skip
    return words, [call(1), call(2, at=START + timedelta(days=1))]
