"""What people do all day: bursts of questions from their own key, in office hours, from one or two addresses. Pure."""

from collections.abc import Iterator
from hashlib import blake2b

from producers.simulator.call import Call, finished
from producers.simulator.company import EUROPE, ORG, Person
from producers.simulator.dice import Dice
from producers.simulator.models import HABITS, Model, tokens
from producers.simulator.shape import SLOT_US, SLOTS, office

_SIZES = {
    "code": (1500, 9000, 450),
    "analysis": (2500, 3000, 500),
    "chat": (900, 1200, 260),
    "writing": (1400, 1500, 700),
}
"""Per habit: about how many new and repeated input tokens and output tokens a question takes."""
_TASKS = {
    "code": ("code-generation", "code-review", "debugging"),
    "analysis": ("sql", "data-analysis", "summarisation"),
    "chat": ("question", "email", "summarisation"),
    "writing": ("drafting", "translation", "rewriting"),
}
_TOOLS = {"code": "ide-plugin/4.2", "analysis": "notebook/2.1", "chat": "chat-web/7.0", "writing": "chat-web/7.0"}


def address_hash(name: str) -> str:
    """What a gateway keeps of a client's address: a keyed hash, never the address."""
    return blake2b(name.encode(), key=b"northwind", digest_size=8).hexdigest()


def gateway(zone: str) -> str:
    """The gateway through which a zone works."""
    return "gateway/eu-1" if zone == EUROPE else "gateway/us-1"


def person_fields(person: Person) -> dict[str, object]:
    """Who an event of a person is from."""
    return {
        "org": ORG,
        "business_unit": person.team.business_unit,
        "cost_center": person.team.cost_center,
        "team": person.team.name,
        "user": person.user,
        "credential": person.credential,
        "environment": "production",
        "auth_type": "api_key",
        "identity_trust": "authenticated",
    }


def calls_of(person: Person, *, seed: int, scale_milli: int) -> Iterator[Call]:
    """The person's calls of the day, slot by slot."""
    dice = Dice(seed, "person", person.user)
    team, habit = person.team, person.team.habit
    who = person_fields(person)
    addresses = [address_hash(f"{person.user}/{place}") for place in ("office", "home")]
    keen = dice.between(300, 460)
    favourite: Model = dice.weighted(HABITS[habit])
    for slot in range(SLOTS):
        if not dice.chance(office(slot, team.zone) * keen // 1000):
            continue
        address = addresses[dice.chance(200)]
        session = f"{person.user}/{slot // 12}"
        task, project, use_case = dice.pick(_TASKS[habit]), dice.pick(team.projects), dice.pick(team.use_cases)
        for _ in range(dice.count(4200 * scale_milli // 1000)):
            model = favourite if dice.chance(600) else dice.weighted(HABITS[habit])
            fresh, cached, output = _SIZES[habit]
            said = tokens(dice, model, fresh=fresh, cached=cached if dice.chance(650) else 0, output=output)
            data = who | {
                "project": project,
                "use_case": use_case,
                "task_class": task,
                "session": session,
                "operation": "chat",
                "client_address_hash": address,
                "user_agent": _TOOLS[habit],
            }
            at = slot * SLOT_US + dice.below(SLOT_US)
            yield from finished(dice, Call(at, 0, person.user, gateway(team.zone), data), model, said)
