"""One call of a model in the simulated day, before it has an id, and how it ended. Pure."""

from dataclasses import dataclass
from typing import Any

from producers.simulator.dice import Dice
from producers.simulator.models import Model, latency_ms


@dataclass(slots=True)
class Call:
    """A call: `at_us` counts from the day's beginning, `took_us` is how long it took, `data` what the event says."""

    at_us: int
    took_us: int
    actor: str
    source: str
    data: dict[str, Any]


def finished(dice: Dice, call: Call, model: Model, said: dict[str, int]) -> list[Call]:
    """The call as it ended: mostly well; sometimes cut short; sometimes refused first and tried again.

    A refused attempt took nothing (zero tokens, said so); one that was cut short took its input and part of its output.
    Attempts of one operation share `operation_id`.
    """
    latency, first = latency_ms(dice, model, said)
    operation_id = f"op-{dice.hex(12)}"
    call.data |= {
        "provider": model.provider,
        "requested_model": model.name,
        "model": model.name,
        "region": model.region,
        "operation_id": operation_id,
        "attempt": 1,
        "usage_source": "reported",
    }
    luck = dice.below(1000)
    if luck < 5:
        output = said["output_tokens"]
        cut = {name: count // 3 if name.startswith("output_") else count for name, count in said.items()}
        result = {"status": "cancelled", "usage_source": "estimated", "latency_ms": first + (latency - first) // 3}
        call.data |= cut | result | ({"ttft_ms": first} if output else {})
        call.took_us = call.data["latency_ms"] * 1000
        return [call]
    calls = [call]
    if luck < 20:
        refused = {"input_tokens": 0, "output_tokens": 0, "status": "error", "http_status": dice.pick((429, 429, 503))}
        wait_us = dice.between(2_000_000, 8_000_000)
        retry = Call(call.at_us + wait_us, 0, call.actor, call.source, {**call.data, "attempt": 2})
        call.data |= refused | {"latency_ms": dice.between(20, 400)}
        call.took_us = call.data["latency_ms"] * 1000
        calls.append(retry)
    last = calls[-1]
    last.data |= said | {"status": "ok", "http_status": 200, "finish_reason": "stop", "latency_ms": latency}
    if said["output_tokens"]:
        last.data["ttft_ms"] = first
    last.took_us = latency * 1000
    return calls
