"""What agents and services do all day: coding runs of many steps, answers from documents, support, night batches. Pure.

Each has a key of its own, works from two addresses, and is either idle in a slot or busy at its usual level.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from producers.simulator.call import Call, finished
from producers.simulator.company import BY_NAME, ORG, Team
from producers.simulator.dice import Dice
from producers.simulator.models import (
    EMBEDDING,
    FLASH,
    GPT_4O_MINI,
    GPT_5_MINI,
    HAIKU,
    O4_MINI,
    PRO,
    SONNET,
    UNPRICED,
    Model,
    tokens,
)
from producers.simulator.people import address_hash, gateway
from producers.simulator.shape import SLOT_US, SLOTS, always, night, office

_TOOLS = ("read_file", "grep", "edit_file", "run_tests", "list_files")


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent or service: `kind` says how it works, `calls_milli` how many calls (or steps) a busy slot has."""

    name: str
    team: Team
    kind: str
    model: Model
    calls_milli: int

    @property
    def credential(self) -> str:
        """Its own key."""
        return f"svc-{self.name}"


def _agent(name: str, team: str, kind: str, model: Model, calls_milli: int) -> Agent:
    return Agent(name=name, team=BY_NAME[team], kind=kind, model=model, calls_milli=calls_milli)


AGENTS = (
    _agent("refactor-agent", "code-platform", "coding", SONNET, 9000),
    _agent("review-agent", "code-platform", "coding", GPT_5_MINI, 9000),
    _agent("dependency-agent", "code-platform", "coding", HAIKU, 6000),
    _agent("feature-agent", "web-shop", "coding", SONNET, 8000),
    _agent("checkout-agent", "web-shop", "coding", GPT_5_MINI, 7000),
    _agent("a11y-agent", "web-shop", "coding", HAIKU, 5000),
    _agent("ios-agent", "mobile-app", "coding", SONNET, 7000),
    _agent("android-agent", "mobile-app", "coding", O4_MINI, 6000),
    _agent("sql-agent", "data-platform", "coding", O4_MINI, 6000),
    _agent("pipeline-agent", "data-platform", "coding", HAIKU, 6000),
    _agent("handbook-search", "success", "rag", FLASH, 5000),
    _agent("policy-search", "legal", "rag", GPT_4O_MINI, 3000),
    _agent("product-search", "search", "rag", FLASH, 7000),
    _agent("sales-briefing", "sales", "rag", GPT_4O_MINI, 5000),
    _agent("ledger-search", "finance", "rag", GPT_4O_MINI, 3000),
    _agent("support-bot", "support", "support", HAIKU, 9000),
    _agent("voice-bot", "support", "support", FLASH, 6000),
    _agent("dispatch-bot", "field-ops", "support", GPT_4O_MINI, 4000),
    _agent("ticket-classifier", "support", "batch", GPT_4O_MINI, 9000),
    _agent("catalogue-writer", "marketing", "batch", FLASH, 6000),
    _agent("lead-scorer", "sales", "batch", GPT_4O_MINI, 8000),
    _agent("lake-tagger", "data-platform", "batch", FLASH, 8000),
    _agent("log-labeler", "data-platform", "support", UNPRICED, 700),
    _agent("relevance-judge", "search", "batch", PRO, 5000),
)
"""Twenty-four of the 25; the last one is planted (`planted.py`)."""


def agent_fields(agent: Agent) -> dict[str, object]:
    """Who an event of an agent is from: nobody's user, its own key."""
    return {
        "org": ORG,
        "business_unit": agent.team.business_unit,
        "cost_center": agent.team.cost_center,
        "team": agent.team.name,
        "credential": agent.credential,
        "agent": agent.name,
        "service": agent.name,
        "environment": "production",
        "auth_type": "service_account",
        "identity_trust": "authenticated",
        "project": agent.team.projects[0],
        "use_case": agent.team.use_cases[0],
        "user_agent": f"{agent.name}/1.0",
    }


def calls_of(agent: Agent, *, seed: int, scale_milli: int) -> Iterator[Call]:
    """The agent's calls of the day, slot by slot."""
    dice = Dice(seed, "agent", agent.name)
    work = {"coding": _coding, "rag": _rag, "support": _support, "batch": _batch}[agent.kind]
    for slot in range(SLOTS):
        n = dice.count(agent.calls_milli * scale_milli // 1000)
        yield from work(dice, agent, slot, n)


def _call(dice: Dice, agent: Agent, at_us: int, extra: Mapping[str, object]) -> Call:
    address = address_hash(f"{agent.name}/pod-{dice.below(2)}")
    data = agent_fields(agent) | {"operation": "chat", "client_address_hash": address, **extra}
    return Call(at_us, 0, agent.name, gateway(agent.team.zone), data)


def _coding(dice: Dice, agent: Agent, slot: int, n: int) -> Iterator[Call]:
    """A run per busy slot: its context grows step by step and is read again from the cache."""
    if not dice.chance(100 + office(slot, agent.team.zone) * 800 // 1000):
        return
    run = f"{agent.name}/run-{slot}-{dice.hex(4)}"
    for step in range(n):
        said = tokens(dice, agent.model, fresh=1200, cached=7000 + 900 * step, output=320, spread_milli=350)
        tool = dice.pick(_TOOLS)
        extra = {
            "run": run,
            "step": step,
            "tool": tool,
            "tool_call_hash": dice.hex(16),
            "task_class": "code-generation",
            "request_kind": "agent_step",
        }
        at = slot * SLOT_US + (step * SLOT_US + dice.below(SLOT_US)) // (n + 1)
        yield from finished(dice, _call(dice, agent, at, extra), agent.model, said)


def _rag(dice: Dice, agent: Agent, slot: int, n: int) -> Iterator[Call]:
    """A question is embedded, then answered from what was found."""
    if not dice.chance(50 + office(slot, agent.team.zone) * 850 // 1000):
        return
    for number in range(n):
        at = slot * SLOT_US + dice.below(SLOT_US - 2_000_000)
        task = f"{agent.name}/q-{slot}-{number}"
        embedded = tokens(dice, EMBEDDING, fresh=60, output=0)
        ask = {"operation": "embeddings", "task": task, "task_class": "retrieval"}
        yield from finished(dice, _call(dice, agent, at, ask), EMBEDDING, embedded)
        said = tokens(dice, agent.model, fresh=4200, cached=1800, output=280)
        answer = {"task": task, "task_class": "question", "tool": "vector_search"}
        yield from finished(dice, _call(dice, agent, at + 900_000, answer), agent.model, said)


def _support(dice: Dice, agent: Agent, slot: int, n: int) -> Iterator[Call]:
    """Customers ask at all hours; each is known only by a hash."""
    for _ in range(n):
        if not dice.chance(always(slot)):
            continue
        customer = dice.below(4000)
        said = tokens(dice, agent.model, fresh=700, cached=2600, output=190)
        extra = {"end_user": address_hash(f"customer/{customer}"), "session": f"{agent.name}/{customer}-{slot // 6}"}
        at = slot * SLOT_US + dice.below(SLOT_US)
        yield from finished(dice, _call(dice, agent, at, extra | {"task_class": "support"}), agent.model, said)


def _batch(dice: Dice, agent: Agent, slot: int, n: int) -> Iterator[Call]:
    """Documents of the day are worked off at night."""
    if not night(slot):
        return
    for number in range(n * 3):
        said = tokens(dice, agent.model, fresh=1800, output=120, spread_milli=300)
        extra = {"task_class": "classification", "task": f"{agent.name}/doc-{slot}-{number}", "pool": "night"}
        at = slot * SLOT_US + dice.below(SLOT_US)
        yield from finished(dice, _call(dice, agent, at, extra), agent.model, said)
