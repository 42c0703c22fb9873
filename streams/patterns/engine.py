"""One message of `internal.steps` after the other: `advance` moves the state on and says what follows from it.

Order within a message, which is the order of what it says:
1. policies up to the highest offset that the log has named;
2. the clock; then, where policies are new, what they ask for no more is over;
3. the rows: runs, and each rule of governance, which fire at once;
4. when the floor has reached a new minute: what is over or has calmed down.
All of it is decided by the log alone.
"""

from schemas.internal import BatchHeaders
from streams.patterns import (
    asked,
    findings,
    first_seen,
    registry,
    run_rules,
    shared_keys,
    shares,
    sovereignty,
    stolen_keys,
    throttling,
)
from streams.patterns.in_force import compiled
from streams.patterns.rows import Rows
from streams.patterns.state import PatternsState
from streams.ports import Output, PolicyLog

_MINUTE_US = 60_000_000


def advance(state: PatternsState, header: BatchHeaders, rows: Rows | None, policy_log: PolicyLog) -> list[Output]:
    """The outputs of one message, in order. Raises: KeyError: the policy log was not read far enough."""
    new = _take_policies(state, header.policy_offset, policy_log)
    if header.clock:
        state.clock.hear(header.lane(), lanes=header.lanes, log_time_us=header.log_time_us)
    outputs = asked.resolve(state) if new else []
    outputs += [] if rows is None else _take(state, rows, log_us=header.log_time_us)
    floor_us = state.clock.floor_us
    if floor_us is not None and floor_us // _MINUTE_US > state.resolved_us // _MINUTE_US:
        state.resolved_us = floor_us
        outputs += run_rules.resolve(state, floor_us=floor_us)
        outputs += findings.resolve(state, floor_us=floor_us)
        outputs += throttling.resolve(state, floor_us=floor_us)
        outputs += shares.judge(state, floor_us=floor_us)
    return outputs


def _take(state: PatternsState, rows: Rows, *, log_us: int) -> list[Output]:
    outputs = run_rules.take(state, rows, log_us=log_us)
    outputs += stolen_keys.take(state, rows)
    outputs += shared_keys.take(state, rows)
    outputs += first_seen.take(state, rows)
    outputs += registry.take(state, rows)
    outputs += sovereignty.take(state, rows)
    outputs += throttling.take(state, rows)
    shares.take(state, rows)
    return outputs


def _take_policies(state: PatternsState, named: int, policy_log: PolicyLog) -> bool:
    """Whether they are others than before, or those of a state that was recovered."""
    offset = max(named, state.policy_offset)
    if state.policies is not None and state.policies.offset >= offset:
        return False
    state.policies = compiled(policy_log.at(offset) if offset >= 0 else {}, offset=offset)
    state.policy_offset = offset
    return True
