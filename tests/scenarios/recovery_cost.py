"""What a recovery of burn costs: `python -m tests.scenarios.recovery_cost [ENTITIES]` prints CPU seconds.

The checkpoint of many active entities is read, then the log since then is replayed: at most a minute and a round's time
of writing, because rounds follow each other that closely (`checkpoint.EVERY_US`, `RATE_BYTES_SEC`). Kafka, the group
and the start of the process come on top; `python -m tests.faults` measures those.
"""

import random
import sys
import time
from dataclasses import dataclass

from streams.checkpoints import digest
from tests.scenarios.burn_log import SEC, BurnLog, MemoryReader, PolicyHistory, Row, new_lane, recovered, run, us

REPLAYED_SEC = 75
_LANES, _ROWS = 4, 300  # of a lane's message each second
_AT = us("2026-11-22T09:00:00")
_KINDS = ("user", "credential", "agent", "project")


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one recovery, and how much it read."""

    restore_sec: float
    replay_sec: float
    checkpoint_mib: float
    messages: int


def recovery_cost(entities: int, *, replayed_sec: int = REPLAYED_SEC) -> Cost:
    """A lane that knew so many active entities is recovered, and knows what it knew."""
    dice = random.Random(1)  # noqa: S311  a repeatable load
    log, lane, reader = BurnLog(lanes=_LANES), new_lane(PolicyHistory()), MemoryReader()
    at_us = _AT
    for first in range(0, entities, 5000):
        at_us += SEC
        log.say(at_us, _rows(at_us, range(first, min(entities, first + 5000)), dice), lane=first // 5000 % _LANES)
    log.tick(at_us)
    run(lane, log.records)
    reader.keep(lane.checkpoint())
    for _ in range(replayed_sec):
        at_us += SEC
        for number in range(_LANES):
            some = [dice.randrange(entities) for _ in range(min(_ROWS, entities))]
            log.say(at_us, _rows(at_us, some, dice), lane=number)
    began_sec = time.process_time()
    again, start = recovered(PolicyHistory(), reader, next_offset=len(log.records))
    restored_sec = time.process_time()
    run(again, log.records[start:], per_batch=100)
    replayed = time.process_time() - restored_sec
    run(lane, log.records[start:], per_batch=100)
    if digest(again.state) != digest(lane.state):
        raise ValueError("the recovered lane knows something else")
    size_mib = sum(len(record.value or b"") for record in reader.records) / 2**20
    return Cost(restored_sec - began_sec, replayed, size_mib, len(log.records) - start)


def _rows(at_us: int, numbers: "range | list[int]", dice: random.Random) -> list[Row]:
    rows = [Row("acme", "org", "acme", at_us, cost_pico=10**10)]
    for number in numbers:
        kind, cost_pico = _KINDS[number % len(_KINDS)], 10**9 * (number % 500)
        users = (number + 1,) if kind == "credential" else ()
        event_us = at_us - dice.randrange(600 * SEC)
        rows.append(Row("acme", kind, f"{kind}-{number}", event_us, cost_pico=cost_pico, tokens=number, users=users))
    return rows


if __name__ == "__main__":
    cost = recovery_cost(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    print(  # noqa: T201  the answer
        f"restore {cost.restore_sec:.1f} s CPU ({cost.checkpoint_mib:.1f} MiB), "
        f"replay of {REPLAYED_SEC} s of log {cost.replay_sec:.1f} s CPU ({cost.messages} messages)"
    )
