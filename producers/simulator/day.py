"""A working day of a company: its events in the order of sending, its policies, and what is true of it. Pure.

Laws
1. The same seed, number of events and end give the same bytes on every machine.
2. Ids carry seed, number and end, so no two different days share an identity.
3. The ledger knows nothing of the order of sending and of copies: it is made from the calls themselves.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from typing import Any

import msgspec

from producers.simulator import agents, people, planted
from producers.simulator.budgets import Spend, budgets, policies_toml
from producers.simulator.call import Call
from producers.simulator.company import ORG
from producers.simulator.company import people as everybody
from producers.simulator.delivery import Sending, order
from producers.simulator.ledger import Ledger
from producers.simulator.outcomes import outcomes_of
from producers.simulator.shape import DAY_US
from schemas.errors import InputError
from schemas.outcomes import OUTCOME_TYPE
from schemas.signals import rfc3339
from schemas.usage import USAGE_TYPE

DEFAULT_EVENTS = 35_000
DEFAULT_SEED = 7
LEAST_EVENTS, MOST_EVENTS = 4_000, 5_000_000
_PLANTED_EVENTS = 1_400
_EVENTS_AT_FULL_SCALE = 43_100
"""How many calls people and agents make at scale 1; measured with the default seed, others differ by a per cent."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """The day: `lines` and `outcomes` are CloudEvents without line ends, `ledger` is plain JSON data."""

    lines: list[bytes]
    outcomes: list[bytes]
    ledger: dict[str, Any]
    budgets_toml: str


def simulate(*, end: datetime, seed: int = DEFAULT_SEED, events: int = DEFAULT_EVENTS) -> Day:
    """The day that ends at `end`, with about `events` different events.

    Raises: InputError: `end` has no zone or is not between 2001 and 2100, or `events` is not from 4,000 to 5,000,000.
    """
    if end.tzinfo is None or not 2001 <= end.year <= 2100:
        raise InputError(f"end = {end.isoformat()}: give a time with a zone, between 2001 and 2100")
    if not LEAST_EVENTS <= events <= MOST_EVENTS:
        raise InputError(f"events = {events}: give a number from {LEAST_EVENTS} to {MOST_EVENTS}")
    start = end.astimezone(UTC) - timedelta(microseconds=DAY_US)
    calls = _calls(seed, events)
    mark = blake2b(f"{seed}/{events}/{rfc3339(start)}".encode(), digest_size=4).hexdigest()
    times = [start + timedelta(microseconds=call.at_us) for call in calls]
    lines = [_line(number, call, at, mark) for number, (call, at) in enumerate(zip(calls, times, strict=True))]
    sendings = order([call.at_us + call.took_us for call in calls], seed=seed)
    ledger, spends = Ledger(), []
    costs = [ledger.add(call.data, at) for call, at in zip(calls, times, strict=True)]
    for call, at, cost in zip(calls, times, costs, strict=True):
        if cost:
            spends.append(Spend(call.data["team"], at, cost))
    own = budgets(spends, end=end)
    about = {
        "org": ORG,
        "seed": seed,
        "start": rfc3339(start),
        "end": rfc3339(end.astimezone(UTC)),
        "first_event": rfc3339(times[0]),
        "last_event": rfc3339(times[-1]),
        **_delivery_facts(sendings, len(calls)),
    }
    brought, brought_sums = outcomes_of(calls, costs, seed=seed)
    facts = {
        "planted": planted_facts(calls, start) | {"asked_twice": asked_twice_facts(calls, costs)},
        "budgets": [budget.as_json() for budget in own],
        "outcomes": brought_sums,
    }
    return Day(
        lines=[lines[sending.event] for sending in sendings],
        outcomes=[
            _outcome(number, start + timedelta(microseconds=at_us), said, mark)
            for number, (at_us, said) in enumerate(brought)
        ],
        ledger={**about, **ledger.as_json(), **facts},
        budgets_toml=policies_toml(own),
    )


def _calls(seed: int, events: int) -> list[Call]:
    scale_milli = max(1, (events - _PLANTED_EVENTS) * 1000 // _EVENTS_AT_FULL_SCALE)
    made = chain(
        chain.from_iterable(people.calls_of(person, seed=seed, scale_milli=scale_milli) for person in everybody()),
        chain.from_iterable(agents.calls_of(agent, seed=seed, scale_milli=scale_milli) for agent in agents.AGENTS),
        planted.runaway_calls(seed=seed),
        planted.shared_key_calls(seed=seed),
        planted.twice_asked_calls(seed=seed),
    )
    return sorted((call for call in made if call.at_us + call.took_us < DAY_US), key=lambda call: call.at_us)


def _line(number: int, call: Call, at: datetime, mark: str) -> bytes:
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "type": USAGE_TYPE,
            "source": call.source,
            "id": f"req-{mark}-{number:07}",
            "time": rfc3339(at),
            "subject": f"team/{call.data['team']}",
            "datacontenttype": "application/json",
            "data": call.data,
        }
    )


def _outcome(number: int, at: datetime, said: dict[str, Any], mark: str) -> bytes:
    envelope = {
        "specversion": "1.0",
        "type": OUTCOME_TYPE,
        "source": "simulator/outcomes",
        "id": f"out-{mark}-{number:05}",
    }
    return msgspec.json.encode({**envelope, "time": rfc3339(at), "data": said})


def asked_twice_facts(calls: list[Call], costs: list[int | None]) -> dict[str, Any]:
    """What the second of each two equal questions cost."""
    asked: set[str] = set()
    again = 0
    wasted = 0
    for call, cost in zip(calls, costs, strict=True):
        fingerprint = call.data.get("prompt_fingerprint")
        if fingerprint in asked:
            again, wasted = again + 1, wasted + (cost or 0)
        elif fingerprint is not None:
            asked.add(fingerprint)
    return {"agent": planted.ASKS_TWICE.name, "requests": again, "cost_pico_usd": wasted}


def _delivery_facts(sendings: list[Sending], unique: int) -> dict[str, int]:
    return {
        "events_sent": len(sendings),
        "unique_events": unique,
        "duplicates": len(sendings) - unique,
        "late_events": sum(sending.late and not sending.copy for sending in sendings),
    }


def planted_facts(calls: list[Call], start: datetime) -> dict[str, Any]:
    """What Burnline has to find, told from the calls themselves."""
    loop_from_us = DAY_US - planted.RUNAWAY_MINUTES * 60_000_000
    shared_from_us = DAY_US - planted.SHARED_HOURS * 3_600_000_000
    agent = [call for call in calls if call.data.get("agent") == planted.RUNAWAY.name]
    loop = [call for call in agent if call.at_us >= loop_from_us]
    usual_per_hour = (len(agent) - len(loop)) * 3_600_000_000 / loop_from_us
    key = planted.shared_owner()
    shared = [call for call in calls if call.data.get("credential") == key.credential and call.at_us >= shared_from_us]
    return {
        "runaway_agent": {
            "agent": planted.RUNAWAY.name,
            "team": planted.RUNAWAY.team.name,
            "credential": planted.RUNAWAY.credential,
            "since": rfc3339(start + timedelta(microseconds=loop_from_us)),
            "requests": len(loop),
            "times_usual_rate": round(len(loop) * 60 / planted.RUNAWAY_MINUTES / usual_per_hour, 1),
            "run": loop[-1].data["run"],
            "tool": planted.RUNAWAY_TOOL,
            "tool_call_hash": loop[-1].data["tool_call_hash"],
        },
        "shared_key": {
            "credential": key.credential,
            "owner": key.user,
            "team": key.team.name,
            "since": rfc3339(start + timedelta(microseconds=shared_from_us)),
            "users": sorted({call.data["user"] for call in shared}),
            "distinct_addresses": len({call.data["client_address_hash"] for call in shared}),
            "requests": len(shared),
        },
        "over_budget_team": {"team": planted.OVER_BUDGET_TEAM, "budget_id": f"{planted.OVER_BUDGET_TEAM}-monthly"},
    }
