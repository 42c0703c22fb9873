"""Everything that patterns knows about one partition of `internal.steps`; a pure function of its log up to one offset.

What is remembered of each kind is bounded, fairly by organisation (remembered.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.burn.clock import Clock
from streams.burn.episodes import EpisodeBytes, Episodes
from streams.burn.table import Table
from streams.kept import Kept
from streams.patterns.contributors import Tally
from streams.patterns.in_force import InForceHere
from streams.patterns.remembered import Remembered
from streams.patterns.runs import Run, RunKey
from streams.patterns.templates import Template

TOPIC = "internal.patterns"
MOST_RUNS = 20_000
MOST_TEMPLATES = 2_000
MOST_KEYS = 20_000
MOST_FINDINGS = 20_000
MOST_MODELS = 2_000
MOST_NAMES = 20_000
TemplateKey = tuple[str, str]
"""org, task template."""
FindingKey = tuple[str, str, str, str, str]
"""rule, org, kind, name, level."""
KeyKey = tuple[str, str]
"""org, credential."""
ModelKey = tuple[str, str, str]
"""org, provider, model."""
NameKey = tuple[str, str, str]
"""org, kind, name; the name is empty for all of a kind, the kind for all of an organisation."""


class KeyUse(msgspec.Struct, array_like=True):
    """What a key was used for: models and regions, newest last, and in how many minutes (stolen_keys.py)."""

    models: list[str] = msgspec.field(default_factory=list)
    regions: list[str] = msgspec.field(default_factory=list)
    active_min: int = 0
    last_min: int = 0
    strange_min: int = 0  # since when it is used for what it never was, minutes since 1970
    strange_micro: int = 0
    strange_calls: int = 0
    strange_unpriced: int = 0  # calls of those without a known price
    new_models: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)  # on trial: minutes of use, the last
    new_regions: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    strange_by: Tally = msgspec.field(default_factory=dict)  # of the calls that are strange


class Finding(msgspec.Struct, array_like=True):
    """How often something was seen that should not be, what it cost, and its newest log time (findings.py)."""

    calls: int = 0
    micro: int = 0
    pico: int = 0
    last_us: int = 0
    told: bool = False
    first_us: int = 0  # event time
    by: Tally = msgspec.field(default_factory=dict)  # of the calls, until it is told
    unpriced: int = 0  # calls of those without a known price, until it is told


class KeyPlaces(msgspec.Struct, array_like=True):
    """Where a key was used of late, as CRCs, newest last (shared_keys.py)."""

    minute: int = 0  # the newest, minutes of log time since 1970
    minutes: int = 0  # bit n: n minutes before it was used in several places
    now: list[int] = msgspec.field(default_factory=list)  # addresses of the newest minute
    addresses: dict[int, int] = msgspec.field(default_factory=dict)  # address: place
    sessions: dict[int, int] = msgspec.field(default_factory=dict)  # session or run: its newest address
    counted: Finding = msgspec.field(default_factory=Finding)  # since the oldest of `minutes`, till it is told

    def places(self) -> int:
        """In how many places it was used in the newest minute."""
        return len({self.addresses.get(one, one) for one in self.now})


class NameUse(msgspec.Struct, array_like=True):
    """A name since it was first used; all of a kind; or how many of an organisation were told today (first_seen.py)."""

    first_us: int  # log time
    known: bool = False
    calls: int = 0
    micro: int = 0
    day: int = 0  # days since 1970
    told: int = 0
    pico: int = 0  # what is beyond whole micro-USD
    by: Tally = msgspec.field(default_factory=dict)  # of the calls, while it is on trial


class Day(msgspec.Struct, array_like=True):
    """The hours of an organisation: hour, calls, those without a price, micro-USD, and nobody's of it (shares.py)."""

    hours: list[tuple[int, int, int, int, int]] = msgspec.field(default_factory=list)
    nobodys: dict[int, Tally] = msgspec.field(default_factory=dict)  # by hour, of micro-USD
    unpriced: dict[int, Tally] = msgspec.field(default_factory=dict)  # by hour, of calls


class Generation(msgspec.Struct, array_like=True):
    """Five minutes of a model: calls, refusals, in which minutes; of each key tokens and refusals (throttling.py)."""

    number: int
    calls: int = 0
    refused: int = 0
    minutes: list[int] = msgspec.field(default_factory=list)
    keys: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    tokens: int = 0  # of all keys


class Throttle(msgspec.Struct, array_like=True):
    """The newest generations of a model."""

    generations: list[Generation] = msgspec.field(default_factory=list)


class Cross(msgspec.Struct):
    """The state as it is written."""

    clock: Clock
    policy_offset: int
    resolved_us: int
    episodes: list[EpisodeBytes]
    runs: list[Run]
    templates: list[tuple[TemplateKey, Template]]
    keys: list[tuple[KeyKey, KeyUse]]
    findings: list[tuple[FindingKey, Finding]]
    days: list[tuple[str, Day]]
    throttles: list[tuple[ModelKey, Throttle]]
    places: list[tuple[KeyKey, KeyPlaces]] = []  # states from before 2026-11-23 have neither
    names: list[tuple[NameKey, NameUse]] = []


@dataclass(slots=True)
class PatternsState:
    """The state of one partition. `policies` are those at `policy_offset`; None until the policy log was asked."""

    clock: Clock = field(default_factory=Clock)
    policy_offset: int = -1
    policies: InForceHere | None = None
    resolved_us: int = 0  # floor up to which what has calmed down was looked for
    episodes: Episodes = field(default_factory=Episodes)
    runs: Remembered[RunKey, Run] = field(default_factory=lambda: Remembered(most=MOST_RUNS))
    templates: Remembered[TemplateKey, Template] = field(default_factory=lambda: Remembered(most=MOST_TEMPLATES))
    keys: Remembered[KeyKey, KeyUse] = field(default_factory=lambda: Remembered(most=MOST_KEYS))
    findings: Remembered[FindingKey, Finding] = field(default_factory=lambda: Remembered(most=MOST_FINDINGS, org_at=1))
    days: dict[str, Day] = field(default_factory=dict)  # by org
    throttles: Remembered[ModelKey, Throttle] = field(default_factory=lambda: Remembered(most=MOST_MODELS))
    places: Remembered[KeyKey, KeyPlaces] = field(default_factory=lambda: Remembered(most=MOST_KEYS))
    names: Remembered[NameKey, NameUse] = field(default_factory=lambda: Remembered(most=MOST_NAMES))

    def tables(self) -> Mapping[str, Table[Any]]:
        """None: what is remembered is small, and written whole."""
        return {}

    def cross(self) -> bytes:
        """All of it, as bytes that depend on nothing but the state."""
        clock = Clock(
            self.clock.lanes, dict(sorted(self.clock.times_us.items())), self.clock.lead_us, self.clock.floor_us
        )
        return msgspec.msgpack.encode(
            Cross(
                clock=clock,
                policy_offset=self.policy_offset,
                resolved_us=self.resolved_us,
                episodes=self.episodes.to_state(),
                runs=list(self.runs.values()),
                templates=list(self.templates.items()),
                keys=list(self.keys.items()),
                findings=list(self.findings.items()),
                days=list(self.days.items()),
                throttles=list(self.throttles.items()),
                places=list(self.places.items()),
                names=list(self.names.items()),
            )
        )

    def take_cross(self, raw: bytes) -> None:
        """The state is what the bytes say. Raises: msgspec.MsgspecError: they say nothing."""
        found = msgspec.msgpack.decode(raw, type=Cross)
        self.clock, self.policy_offset, self.resolved_us = found.clock, found.policy_offset, found.resolved_us
        self.episodes.from_state(found.episodes)
        self.runs = Remembered((((one.org, one.run), one) for one in found.runs), most=MOST_RUNS)
        self.templates = Remembered(found.templates, most=MOST_TEMPLATES)
        self.keys = Remembered(found.keys, most=MOST_KEYS)
        self.findings = Remembered(found.findings, most=MOST_FINDINGS, org_at=1)
        self.days = dict(found.days)
        self.throttles = Remembered(found.throttles, most=MOST_MODELS)
        self.places = Remembered(found.places, most=MOST_KEYS)
        self.names = Remembered(found.names, most=MOST_NAMES)
        self.policies = None


KEPT = Kept(TOPIC, PatternsState)
