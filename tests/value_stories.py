"""Calls and outcomes that were thought up: what is waste and what only looks like it."""

import random
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
        {"end_user": "dan"},
        {"session": "s-other"},
        {"run": "r-other"},
        {"agent": "bot"},
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
    for change in ({"status": "error", "operation_id": "op-2"}, {"status": "error"}, {"operation_id": None}):
        add(None, 64, **change)  # never answered: an outage, no waste of the caller's
    first = add(None, 70)
    add(None, 71, request_kind="regenerate", parent_event_id=first)  # before it was accepted
    add("regenerated_after_acceptance", 80, request_kind="regenerate", parent_event_id=first)
    add(None, 81, request_kind="follow_up", parent_event_id=first)
    refused = add(None, 82)
    add(None, 90, request_kind="regenerate", parent_event_id=refused)
    prefix: Json = {"prefix_fingerprint": "k-prefix", "input_uncached_tokens": 5000, "input_cache_read_tokens": 0}
    for minute, change in (
        (100, {}),
        (106, {"input_cache_read_tokens": 4000}),
        (107, {"input_uncached_tokens": 400}),
        (120, {}),
    ):
        add(None, minute, **prefix | change)
    add("missed_prompt_cache", 104, **prefix)
    for minute, change in enumerate(({}, {}, {"session": "s-1", "run": "r-1"}, {"session": "s-1", "run": "r-2"}), 126):
        nobody = same | {"prompt_fingerprint": "k-nobody", "user": None}  # many may ask with one key
        add("duplicate" if minute == 129 else None, minute, **nobody | change)
    disliked = [
        add(
            None,
            134 + minute,
            **same | {"prompt_fingerprint": f"k-disliked-{which}"},
            operation_id=f"op-d{which}-{minute}",
        )
        for which in range(2)
        for minute in range(2)
    ]  # asked again because the first answer was refused
    cut = same | {"prompt_fingerprint": "k-cut"}
    for minute, reason in enumerate(("max_tokens", "end_turn", None), 140):  # the first was cut off
        add("duplicate" if reason is None else None, minute, **cut, finish_reason=reason)
    doubted = add(None, 144)
    add(None, 148, request_kind="regenerate", parent_event_id=doubted)  # accepted, and then refused
    for number in range(100):  # uses it all day, and never for nothing
        add(None, number, user="heavy", prompt_fingerprint=f"k-heavy-{number}", latency_ms=1000)
    for one in calls:
        one["input_tokens"] = one["input_uncached_tokens"] + one["input_cache_read_tokens"]
    said = [
        outcome("judged-1", at=START + timedelta(minutes=75), outcome_type="feedback", call=first, accepted=True),
        *(
            outcome(
                f"judged-{at}", at=START + timedelta(minutes=at), outcome_type="feedback", call=call_, accepted=False
            )
            for at, call_ in ((85, refused), (134.5, disliked[0]), (134.6, "op-d1-0"), (146, doubted))
        ),
        outcome("judged-2", at=START + timedelta(minutes=145), outcome_type="feedback", call=doubted, accepted=True),
    ]
    return said, calls, waste


def planted_likely() -> tuple[list[Json], list[Json], dict[str, str]]:
    """As planted_waste, of what is likely or possible only: beside each kind what must not be found."""
    calls: list[Json] = []
    words: list[Json] = []
    waste: dict[str, str] = {}

    def add(kind: str | None, minute: float, tokens: Json | None = None, **data: Any) -> str:
        number = len(calls)
        leaves: Json = {"input_uncached_tokens": 1000, "input_cache_read_tokens": 0, "output_text_tokens": 100}
        leaves |= {"output_reasoning_tokens": 0, "usage_source": "reported", "operation": "chat"} | (tokens or {})
        made = call(number, at=START + timedelta(minutes=minute), **{"cost_usd": "1", **data}) | leaves
        made["input_tokens"] = (
            made["input_uncached_tokens"] + made["input_cache_read_tokens"] + made["input_image_tokens"]
        )
        made["output_tokens"] = made["output_text_tokens"] + made["output_reasoning_tokens"]
        calls.append(made)
        if kind is not None:
            waste[f"call-{number}"] = kind
        return f"call-{number}"

    add("empty_input", 0, {"input_uncached_tokens": 4})
    change: Json
    for change in (
        {"input_uncached_tokens": 5}, {"usage_source": "estimated"}, {"operation": "embeddings"}, {"operation": None},
        {"request_kind": "follow_up"}, {"parent_event_id": "call-0"}, {"input_image_tokens": 900}, {"status": "error"},
        {"input_cache_read_tokens": 3000}, {"spend_class": "discovery"}, {"purpose": "evaluation"},
    ):  # fmt: skip
        add(None, 1, {"input_uncached_tokens": 4} | change)
    small: Json = {"input_uncached_tokens": 64, "output_text_tokens": 32, "output_reasoning_tokens": 1024}
    add("trivial_input", 10, small)
    for change in (
        {"input_uncached_tokens": 65}, {"output_text_tokens": 33}, {"output_reasoning_tokens": 1023},
        {"request_kind": "agent_step"}, {"spend_class": "discovery"},
    ):  # fmt: skip
        add(None, 11, small | change)
    again: tuple[Json, ...] = (
            {}, {"input_uncached_tokens": 100, "input_cache_read_tokens": 5000}, {"prefix_fingerprint": "k-known"},
            {"model": "o3"}, {"input_uncached_tokens": 4999}, {"user": "ben"}, {"spend_class": "discovery"},
    )  # fmt: skip
    for session, change in enumerate(again):
        add(None, 20, {"input_uncached_tokens": 5000}, session=f"s-{session}", user="ana")
        second = {"input_uncached_tokens": 5000} | change
        add(None if change else "context_resend", 24, second, **{"session": f"s-{session}", "user": "ana"} | change)
    add(None, 30, {"input_uncached_tokens": 5000}, session="s-late", user="ana")
    add(None, 35, {"input_uncached_tokens": 5000}, session="s-late", user="ana")
    add(None, 40, {"input_uncached_tokens": 4095}, session="s-short", user="ana")
    add(None, 41, {"input_uncached_tokens": 4095}, session="s-short", user="ana")

    def work(task_class: str, model: str, judged: int, succeeded: int, *, kind: str | None = None, **data: Any) -> None:
        """So many tickets that this model alone was asked about."""
        cost = "2" if model == "large" else "0.5"
        for number in range(judged):
            task = f"{task_class}/{model}/{number}"
            add(kind, 60, task_class=task_class, model=model, task=task, cost_usd=cost, **data)
            words.append(outcome(task, outcome_type="resolved_ticket", task=task, accepted=number < succeeded))

    work("as good", "large", 20, 10, kind="over_tiered_model")
    work("as good", "small", 20, 16)
    work("not as good", "large", 20, 16)
    work("not as good", "small", 20, 16)  # as often, but 20 cases do not show it
    work("unknown", "large", 20, 10)
    work("unknown", "small", 19, 19)
    work("", "large", 20, 10)
    work("", "small", 20, 20)
    work("other language", "large", 20, 10, language="cobol")
    work("other language", "small", 20, 20, language="python")
    add(None, 70, task_class="as good", model="large", spend_class="discovery", cost_usd="2")
    add("over_tiered_model", 71, task_class="as good", model="large", cost_usd="0.75")
    add(None, 72, task_class="as good", model="large", cost_usd="0.25")  # dearer one tier down
    return words, calls, waste


def wasteful(seed: int) -> tuple[list[Json], list[Json]]:
    """Calls of every kind of waste at once, some of several kinds, some without a known cost; and what judges them."""
    r = random.Random(seed)  # noqa: S311  no secret
    calls: list[Json] = []
    words: list[Json] = []
    for number in range(400):
        made = call(
            number,
            at=START + timedelta(seconds=r.randrange(7200)),
            cost_usd=None if r.random() < 0.05 else f"0.{r.randrange(10**12):012}",
            user=r.choice(["ana", "ben"]),
            model=r.choice(["large", "small"]),
            task_class="sort",
            task=f"t-{number // 2}",
            session=r.choice(["s-1", "s-2", None]),
            operation="chat",
            operation_id=f"op-{r.randrange(200)}",
            attempt=r.choice([1, 1, 2]),
            status=r.choice(["ok", "ok", "ok", "error"]),
            request_kind=r.choice([None, "regenerate"]),
            parent_event_id=r.choice([None, f"call-{r.randrange(400)}"]),
            prompt_fingerprint=r.choice([None, "k-1", "k-2"]),
            prefix_fingerprint=r.choice([None, "k-3"]),
            latency_ms=r.choice([500, 5000]),
            usage_source="reported",
        )
        made |= {"input_uncached_tokens": r.choice([2, 40, 5000]), "input_cache_read_tokens": 0}
        made |= {"output_text_tokens": 20, "output_reasoning_tokens": r.choice([0, 2000])}
        made["input_tokens"], made["output_tokens"] = (
            made["input_uncached_tokens"],
            20 + made["output_reasoning_tokens"],
        )
        calls.append(made)
        words.append(outcome(f"f-{number}", outcome_type="feedback", call=f"call-{number}", accepted=r.random() < 0.8))
    return words, calls
