"""What alerts by forecast cost burn: `python -m tests.scenarios.forecast_cost [BUDGETS]` prints CPU and bytes.

Budgets with 35 days of hours, one event each, are judged for an hour of log time, a tick a second.
"""

import random
import sys
import time
from dataclasses import dataclass

from schemas.internal import BUCKET_US
from streams.burn.hours import HOURS, new_hours
from tests.scenarios.burn_log import DAY, HOUR, SEC, BurnLog, MemoryReader, PolicyHistory, Row, new_lane, run, us

_AT = us("2026-11-22T09:00:00")
_TICKS = 3600


@dataclass(frozen=True)
class Cost:
    """Of an hour of log time in which every budget is judged, and of what is kept for each."""

    judged_cpu_sec: float
    idle_cpu_sec: float
    slowest_tick_ms: float
    row_bytes: int
    checkpoint_bytes: int


def forecast_cost(budgets: int) -> Cost:
    """The cost of so many budgets, all judged within the hour; the same hour without their forecasts is idle."""
    judged, slowest_ms, kept = _hour(budgets, forecasts=True)
    idle, _, kept_without = _hour(budgets, forecasts=False)
    row_bytes = sum(column.bytes_per_row() for column in new_hours().spec.values())
    return Cost(judged, idle, slowest_ms, row_bytes, (kept - kept_without) // budgets)


def _hour(budgets: int, *, forecasts: bool) -> tuple[float, float, int]:
    dice = random.Random(1)  # noqa: S311  a repeatable load
    some = [
        {"kind": "budget", "id": f"b{number}", "org": "acme", "limit": "5000", "forecast_alerts": forecasts}
        for number in range(budgets)
    ]
    log, lane = BurnLog(policy_offset=0), new_lane(PolicyHistory([{"sets": some}]))
    for day in range(HOURS // 24):
        rows = [_row(number, _AT - day * DAY - hour * HOUR, dice) for number in range(budgets) for hour in range(24)]
        log.say(_AT, rows)
    run(lane, log.records)
    kept = MemoryReader()
    kept.keep(lane.checkpoint())
    ticks = BurnLog(policy_offset=0)
    for second in range(1, _TICKS + 1):
        ticks.tick(_AT + second * SEC)
    took = []
    for number in range(_TICKS):
        began = time.process_time()
        run(lane, ticks.records[number : number + 1])
        took.append(time.process_time() - began)
    return sum(took), max(took) * 1000, sum(len(record.value or b"") for record in kept.records)


def _row(number: int, at_us: int, dice: random.Random) -> Row:
    cost = int(dice.lognormvariate(0, 1) * 10**12)
    return Row("acme", "budget", f"b{number}", at_us // BUCKET_US * BUCKET_US, cost_pico=cost, live=False)


if __name__ == "__main__":
    cost = forecast_cost(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    sys.stdout.write(
        f"{cost.judged_cpu_sec:.2f} CPU s an hour of log time (without forecasts {cost.idle_cpu_sec:.2f}), slowest "
        f"tick {cost.slowest_tick_ms:.0f} ms\n{cost.row_bytes} bytes each, {cost.checkpoint_bytes} in checkpoints\n"
    )
