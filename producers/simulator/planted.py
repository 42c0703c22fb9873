"""What is wrong in the day, on purpose and until its end: a runaway agent, a shared key, a team over its budget. Pure.

All day an agent asks the same twice. The over-budget team does nothing unusual: only its limit is low (`budgets.py`).
"""

from collections.abc import Iterator

from producers.simulator.agents import Agent, agent_fields
from producers.simulator.call import Call, finished
from producers.simulator.company import BY_NAME, Person, people
from producers.simulator.dice import Dice
from producers.simulator.models import GPT_4O_MINI, SONNET, tokens
from producers.simulator.people import address_hash, gateway, person_fields
from producers.simulator.shape import DAY_US, SLOT_US, SLOTS

RUNAWAY = Agent(name="test-fixer", team=BY_NAME["mobile-app"], kind="coding", model=SONNET, calls_milli=3000)
RUNAWAY_MINUTES = 50
RUNAWAY_PER_MINUTE = 12
RUNAWAY_TOOL = "run_tests"

SHARED_TEAM = "data-platform"
SHARED_HOURS = 2
SHARED_USERS = 9
SHARED_ADDRESSES = 11
SHARED_CALLS_PER_HOUR = 66

OVER_BUDGET_TEAM = "marketing"

ASKS_TWICE = Agent(name="renewal-notes", team=BY_NAME["success"], kind="rag", model=SONNET, calls_milli=0)
ASKS_TWICE_EVERY_SLOTS = 6
_MINUTE_US = 60_000_000


def shared_owner() -> Person:
    """Whose key it is that others use."""
    return next(person for person in people() if person.team.name == SHARED_TEAM)


def borrowers() -> tuple[Person, ...]:
    """Who uses the shared key: its owner and eight colleagues of other teams of the business unit."""
    owner = shared_owner()
    unit = owner.team.business_unit
    others = [p for p in people() if p.team.business_unit == unit and p.team != owner.team]
    return (owner, *others[:: len(others) // SHARED_USERS][: SHARED_USERS - 1])


def runaway_calls(*, seed: int) -> Iterator[Call]:
    """The runaway's day: three short steps in most slots, then the same tool call again and again until the end."""
    dice = Dice(seed, "planted", RUNAWAY.name)
    loop_from = DAY_US - RUNAWAY_MINUTES * _MINUTE_US
    for slot in range(SLOTS):
        if (slot + 1) * SLOT_US > loop_from or not dice.chance(750):
            continue
        run = f"{RUNAWAY.name}/run-{slot}"
        for step in range(dice.between(2, 4)):
            at = slot * SLOT_US + step * 40_000_000 + dice.below(30_000_000)
            yield from _step(dice, at, run, step, tool=dice.pick(("read_file", RUNAWAY_TOOL)), call_hash=dice.hex(16))
    stuck, run = dice.hex(16), f"{RUNAWAY.name}/run-stuck"
    steps = RUNAWAY_MINUTES * RUNAWAY_PER_MINUTE
    for step in range(steps):
        at = loop_from + step * _MINUTE_US // RUNAWAY_PER_MINUTE + dice.below(3_000_000)
        yield from _step(dice, at, run, step, tool=RUNAWAY_TOOL, call_hash=stuck)


def _step(dice: Dice, at_us: int, run: str, step: int, *, tool: str, call_hash: str) -> list[Call]:  # noqa: PLR0913  one step
    said = tokens(dice, SONNET, fresh=1600, cached=9000 + 60 * step, output=300, spread_milli=200)
    address = address_hash(f"{RUNAWAY.name}/pod-0")
    data = agent_fields(RUNAWAY) | {
        "operation": "chat",
        "client_address_hash": address,
        "run": run,
        "step": step,
        "tool": tool,
        "tool_call_hash": call_hash,
        "task_class": "test-fixing",
        "request_kind": "agent_step",
    }
    return finished(dice, Call(at_us, 0, RUNAWAY.name, gateway(RUNAWAY.team.zone), data), SONNET, said)


def shared_key_calls(*, seed: int) -> Iterator[Call]:
    """Nine people use one person's key in the last two hours, in turn, from eleven addresses; small, cheap calls."""
    owner = shared_owner()
    dice = Dice(seed, "planted", owner.credential)
    users = borrowers()
    places = [address_hash(f"shared/{n}") for n in range(SHARED_ADDRESSES)]
    calls = SHARED_HOURS * SHARED_CALLS_PER_HOUR
    gap_us = SHARED_HOURS * 60 * _MINUTE_US // calls
    for n in range(calls):
        at = DAY_US - (calls - n) * gap_us + dice.below(gap_us // 2)
        data = person_fields(owner) | {
            "user": users[n % SHARED_USERS].user,
            "identity_trust": "asserted",
            "project": owner.team.projects[0],
            "use_case": owner.team.use_cases[0],
            "operation": "chat",
            "task_class": "question",
            "client_address_hash": places[n % SHARED_ADDRESSES],
            "user_agent": "python-requests/2.32",
        }
        said = tokens(dice, GPT_4O_MINI, fresh=800, output=200, spread_milli=250)
        yield from finished(dice, Call(at, 0, owner.credential, gateway(owner.team.zone), data), GPT_4O_MINI, said)


def twice_asked_calls(*, seed: int) -> Iterator[Call]:
    """Every half hour a question and, two to five minutes after its answer, the same again; both are answered.

    They are of one session: the same words from a key that serves many people are no proof that anything was wasted.
    """
    dice = Dice(seed, "planted", ASKS_TWICE.name)
    for slot in range(0, SLOTS - ASKS_TWICE_EVERY_SLOTS, ASKS_TWICE_EVERY_SLOTS):
        fingerprint = f"k1:{dice.hex(32)}"
        at = slot * SLOT_US + dice.below(SLOT_US)
        for _ in range(2):
            call = _asked(dice, at, fingerprint, session=f"{ASKS_TWICE.name}/{slot}")
            yield call
            at = call.at_us + call.took_us + dice.between(120, 300) * 1_000_000


def _asked(dice: Dice, at_us: int, fingerprint: str, *, session: str) -> Call:
    """The question, answered at its first attempt."""
    data = agent_fields(ASKS_TWICE) | {
        "operation": "chat",
        "client_address_hash": address_hash(f"{ASKS_TWICE.name}/pod-0"),
        "task_class": "summarisation",
        "prompt_fingerprint": fingerprint,
        "session": session,
    }
    while True:
        said = tokens(dice, SONNET, fresh=3000, output=400, spread_milli=100)
        ended = finished(dice, Call(at_us, 0, ASKS_TWICE.name, gateway(ASKS_TWICE.team.zone), dict(data)), SONNET, said)
        if [call.data["status"] for call in ended] == ["ok"]:
            return ended[0]
