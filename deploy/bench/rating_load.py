"""Records of `usage.events` for measuring rating: the simulator's events under new ids and times, and their policies.

Laws
1. `common` events have the fields that most gateways send, about 630 bytes; `all` those of the simulator, about 1,000.
   Both name eight kinds of entities: org, unit, team, project, user or agent, credential, model, use case.
2. Of a hundred records two are copies of an earlier one, as after an emitter's retry.
3. With `entities`, users, agents and credentials have so many names; with `models`, so have models that nobody priced.
4. With `bad_share`, so many of them are no events, in turns: cut off, of an unknown version, a count below zero.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Literal

import msgspec

from producers.sending import HEADERS
from producers.simulator.day import simulate
from schemas.directory import Agent, BusinessUnit, CostCenter, Credential, Team, User
from schemas.keys import event_key
from schemas.policies import AnyPolicy, Budget, InForce, Policies, key_of
from streams.ports import SourceBatch, SourceRecord

Shape = Literal["common", "all"]
NOW_US = 1_795_338_000_000_000
"""The append time of the first record, 2026-11-22 09:00 UTC; any time will do."""
_US_PER_EVENT = 40
_DAY_EVENTS = 8000
_LEFT_OUT = frozenset(
    (
        "cost_center", "service", "auth_type", "identity_trust", "user_agent", "client_address_hash", "step", "tool",
        "tool_call_hash", "task_class", "request_kind", "operation_id", "attempt", "task", "pool", "end_user",
        "requested_model",
    )
)  # fmt: skip
_COPIES_SHARE = 0.02
_BUDGETS = ({"id": "all", "limit": "900000"}, {"id": "each-user", "limit": "2000", "each": "user"})
_HOLES = {name: f"%({name})" for name in ("id", "time", "who", "model")}


@dataclass(frozen=True, slots=True)
class Template:
    """An event whose id, time, and ends of names are holes, and the key of its record."""

    key: bytes
    value: bytes

    def filled(self, event_id: bytes, at: bytes, *, who: bytes = b"", model: bytes = b"") -> bytes:
        """The event."""
        return self.value % {b"id": event_id, b"time": at, b"who": who, b"model": model}


class Fixed:
    """Policies that are in force since ever. Conforms to `streams.ports.PolicyLog`."""

    def __init__(self, policies: Sequence[AnyPolicy]) -> None:
        self._policies = {key_of(one): InForce(policy=one, since=0, matched_since=0) for one in policies}

    def latest(self) -> tuple[int, Policies]:
        """Offset 0."""
        return 0, self._policies

    def at(self, offset: int) -> Policies:
        """What is in force at any offset."""
        del offset
        return self._policies


@dataclass(frozen=True, slots=True)
class World:
    """The simulated company: its events as templates, budgets and directory."""

    templates: tuple[Template, ...]
    policies: tuple[AnyPolicy, ...]

    def mean_bytes(self) -> float:
        """How long an event is, its holes filled."""
        event = (len(one.filled(b"b-0123456789", b"2026-11-22T09:00:00.000000Z")) for one in self.templates)
        return sum(event) / len(self.templates)


def world(shape: Shape = "common") -> World:
    """The company; a day of it gives the templates."""
    day = simulate(end=datetime.fromtimestamp(NOW_US // 1_000_000, UTC), events=_DAY_EVENTS)
    events = [msgspec.json.decode(line) for line in day.lines]
    tables = tomllib.loads(day.budgets_toml, parse_float=Decimal)["budget"]
    org = day.ledger["org"]
    budgets = [Budget.model_validate({"org": org, **told}) for told in (*tables, *_BUDGETS)]
    directory = _directory(org, [event["data"] for event in events])
    return World(tuple(_template(event, shape) for event in events), (*budgets, *directory))


def _template(event: dict[str, Any], shape: Shape) -> Template:
    data = event["data"]
    key = event_key(org=data["org"], team=data.get("team"), credential=data.get("credential"))
    if shape == "common":
        data = {name: told for name, told in data.items() if name not in _LEFT_OUT}
    ends = {name: data[name] + "\0who" for name in ("user", "agent", "credential") if name in data}
    named = {**data, **ends, "model": data["model"] + "\0model"}
    holes = {**event, "id": "\0id", "time": "\0time", "data": named}
    text = msgspec.json.encode(holes).replace(b"%", b"%%")
    for name, hole in _HOLES.items():
        text = text.replace(b"\\u0000" + name.encode(), hole.encode() + b"b")
    return Template(key, text)


def _directory(org: str, events: Sequence[dict[str, Any]]) -> list[AnyPolicy]:
    """Teams and whose they are; every other user and agent, and every other key, is known."""
    units: dict[str, str] = {}
    teams: dict[str, str] = {}
    entries: dict[str, AnyPolicy] = {}
    for data in events:
        units[data["business_unit"]] = data["cost_center"]
        teams[data["team"]] = data["business_unit"]
        who = {name: data[name] for name in ("user", "agent") if name in data}
        for name, kind in (("user", User), ("agent", Agent)):
            if name in who:
                entries[f"{name}/{who[name]}"] = kind(org=org, id=who[name], team=data["team"])
        entries["key/" + data["credential"]] = Credential(org=org, id=data["credential"], team=data["team"])
    centers = [CostCenter(org=org, id=name) for name in sorted(set(units.values()))]
    above: list[AnyPolicy] = [
        *centers,
        *(BusinessUnit(org=org, id=name, cost_center=center) for name, center in sorted(units.items())),
        *(Team(org=org, id=name, business_unit=unit) for name, unit in sorted(teams.items())),
    ]
    return [*above, *(entries[name] for name in sorted(entries)[::2])]


class Load:
    """Batches of one partition, one after the other."""

    def __init__(  # noqa: PLR0913  made in one place, by name
        self,
        company: World,
        *,
        entities: int = 0,
        models: int = 0,
        bad_share: float = 0,
        seed: int = 1,
        began_us: int = NOW_US,
    ) -> None:
        self._company, self._entities, self._models, self._began_us = company, entities, models, began_us
        self._bad_share = bad_share
        self._dice = Random(seed)  # noqa: S311  made-up load, the same each time
        self._offset = 0
        self._earlier: list[tuple[bytes, bytes]] = []

    def batch(self, size: int) -> SourceBatch:
        """The next records, as a fetch gives them."""
        records = [
            SourceRecord(offset, self._began_us + offset * _US_PER_EVENT, key, value, HEADERS)
            for offset, (key, value) in enumerate(self.events(size), self._offset)
        ]
        return SourceBatch("usage.events", 0, records)

    def events(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        """The next keys and values."""
        templates, dice = self._company.templates, self._dice
        first, self._offset = self._offset, self._offset + count
        for number in range(first, first + count):
            if self._earlier and dice.random() < _COPIES_SHARE:
                yield dice.choice(self._earlier)
                continue
            template = templates[number % len(templates)]
            who = b"-%d" % dice.randrange(self._entities) if self._entities else b""
            model = b"-%d" % dice.randrange(self._models) if self._models else b""
            at = _rfc3339(self._began_us + number * _US_PER_EVENT - dice.randrange(3_000_000))
            event = (template.key, template.filled(b"b-%010d" % number, at, who=who, model=model))
            if self._bad_share and dice.random() < self._bad_share:
                yield template.key, _broken(event[1], number)
                continue
            self._earlier = [*self._earlier[-50:], event] if number % 100 == 0 else self._earlier
            yield event


def _broken(event: bytes, number: int) -> bytes:
    """The event as none: cut off, of a version that nobody knows, or with a count below zero."""
    ways = (
        event[: len(event) // 2],
        event.replace(b'"specversion":"1.0"', b'"specversion":"9.9"'),
        event.replace(b'"input_tokens":', b'"input_tokens":-'),
    )
    return ways[number % len(ways)]


def _rfc3339(at_us: int) -> bytes:
    whole, part = divmod(at_us, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%06dZ" % part
