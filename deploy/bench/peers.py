"""`burnline bench peers`: rolling spend per team, user and model, by Burnline and by three other Python systems.

1. The same events go into `usage.events` (four partitions, by key) and, in the same order, into a topic of one
   partition for the peers, which so need no topic to repartition over.
2. Every system concludes the rolling spend of the first events, and each is compared with sums made apart, to the
   pico-USD, there and after the rounds. Nothing is said of a system with another result.
3. Then come the rounds, one system after the other in each, so that all see the same machine: CPU seconds of all
   threads from the first event to the last result. Of Burnline both workers count, doing all that they always do:
   validation, duplicates, prices, budgets, eight kinds of entity, priced rows, checkpoints, transactions. They idle
   beside the peers; the ledger is no part of it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

import msgspec
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.apply import Request, apply_files
from deploy.bench.latency_load import Company, company
from deploy.bench.peer_programs.job import KINDS
from deploy.bench.peers_job import WINDOWS_SEC, Event, Rates, Truth, events, rates_of
from deploy.bench.peers_run import Outcome, Peer, environment_at, run_peer, versions_in
from deploy.bench.workers import Workers, running_workers, send
from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import FatalError
from schemas.periods import micros
from schemas.signals import RATES_TYPE

Say = Callable[[str], None]
OURS = "Burnline"
DOES = "validation, duplicates, prices, budgets, 8 kinds of entity, alerts, recovery; exactly once, by transactions"
COMPARED = 2000
_TIMEOUT_SEC = 300.0
_SAID_SEC = 20.0
_USD_PICO = 10**12
_DIFFERENCES_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A system's cost in CPU microseconds per event, of all rounds, and by process where it has two."""

    name: str
    version: str
    events: int
    cpu_us: list[float]
    cpu_us_median: float
    per_cpu_sec: int
    per_sec_median: int
    by_process: Mapping[str, float]
    keys_compared: int
    note: str


@dataclass(slots=True)
class _Taken:
    """What the rounds of a system took: CPU and wall seconds of each, and CPU by process."""

    events: int
    cpu_sec: list[float] = field(default_factory=list)
    wall_sec: list[float] = field(default_factory=list)
    by_process: dict[str, list[float]] = field(default_factory=dict)
    keys: int = 0


def measured(  # noqa: PLR0913  what the command line says
    kafka: KafkaSettings, count: int, *, rounds: int, folder: Path, say: Say, peers: Sequence[Peer]
) -> list[Line]:
    """The lines of Burnline and of each peer, whose results were all equal.

    Raises: FatalError: a system came to another result, or to none. KafkaUnavailableError.
    """
    python = environment_at(folder, say) if peers else folder
    versions = versions_in(python) if peers else {}
    trial = _Trial(kafka, python, company(f"bench-{uuid4().hex[:8]}"), say)
    _budgets(kafka, trial.load)
    with running_workers(kafka) as workers:
        taken = {OURS: _Taken(count), **{peer.name: _Taken(_share(peer, count)) for peer in peers}}
        trial.compare(workers, peers, taken)
        some = trial.of_peers(count) if peers else []
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: {OURS}, {count:,} events")
            trial.ours(workers, taken[OURS], run=f"r{number}")
            for peer in peers:
                say(f"round {number + 1} of {rounds}: {peer.name}, {taken[peer.name].events:,} events")
                trial.theirs(peer, some[: taken[peer.name].events], taken[peer.name])
        trial.ours_is_true(taken[OURS])
    return [_line(name, one, versions, peers) for name, one in taken.items()]


def _share(peer: Peer, count: int) -> int:
    return max(1, round(peer.share * count))


class _Trial:
    """One broker, one company, and what everybody should say of it."""

    def __init__(self, kafka: KafkaSettings, python: Path, load: Company, say: Say) -> None:
        self.load = load
        self._kafka, self._python, self._say = kafka, python, say
        self._rates: Rates = rates_of(load.templates, now=datetime.now(UTC))
        self._truth = Truth(self._rates)
        self._topics = 0
        self._topic = ""

    def compare(self, workers: Workers, peers: Sequence[Peer], taken: Mapping[str, _Taken]) -> None:
        """All come to the same result on the first events. Raises: FatalError: one does not."""
        self._say(f"all results are compared on {COMPARED:,} events")
        some = list(events(self.load.templates, COMPARED, end=datetime.now(UTC), run="c"))
        send(self._kafka, self._kafka.topic("usage.events"), some)
        workers.through(timeout_sec=_TIMEOUT_SEC)
        self._truth.add(some)
        self.ours_is_true(taken[OURS])
        self._in_topic(some)
        for peer in peers:
            taken[peer.name].keys = self._true(peer, some, self._run(peer, some))

    def ours(self, workers: Workers, taken: _Taken, *, run: str) -> None:
        """A round of Burnline. Raises: FatalError."""
        some = list(events(self.load.templates, taken.events, end=datetime.now(UTC), run=run))
        with workers.held():
            send(self._kafka, self._kafka.topic("usage.events"), some)
        used = workers.through(timeout_sec=_TIMEOUT_SEC)
        self._truth.add(some)
        taken.cpu_sec.append(sum(used.cpu_sec.values()))
        taken.wall_sec.append(used.wall_sec)
        for stage, cpu_sec in used.cpu_sec.items():
            taken.by_process.setdefault(stage, []).append(cpu_sec)

    def ours_is_true(self, taken: _Taken) -> None:
        """What Burnline said last of each key is right; it says so each 5 seconds. Raises: FatalError."""
        deadline = time.monotonic() + _SAID_SEC
        while wrong := self._truth.differences(said := said_rates(self._kafka, self.load.org)):
            if time.monotonic() > deadline:
                _require_none(OURS, wrong)
            time.sleep(1)
        taken.keys = len(said)

    def of_peers(self, count: int) -> list[Event]:
        """A full topic for the rounds of the peers."""
        some = list(events(self.load.templates, count, end=datetime.now(UTC), run="p"))
        self._in_topic(some)
        return some

    def theirs(self, peer: Peer, some: Sequence[Event], taken: _Taken) -> None:
        """A round of a peer, with a result that is right. Raises: FatalError."""
        outcome = self._run(peer, some)
        taken.keys = self._true(peer, some, outcome)
        taken.cpu_sec.append(outcome.cpu_sec)
        taken.wall_sec.append(outcome.wall_sec)

    def _in_topic(self, some: Sequence[Event]) -> None:
        self._topics += 1
        self._topic = f"peers-{self._topics}"
        admin = AdminClient(self._kafka.to_confluent())  # held until the answer is there: it dies with it
        admin.create_topics([NewTopic(self._topic, 1, 1)])[self._topic].result(30)
        send(self._kafka, self._topic, some, partition=0)

    def _run(self, peer: Peer, some: Sequence[Event]) -> Outcome:
        outputs = Truth(self._rates).add(some)
        servers = self._kafka.bootstrap_servers
        job = {"topic": self._topic, "bootstrap_servers": servers, "events": len(some), "outputs": outputs}
        return run_peer(self._python, peer, {**job, "rates": self._rates}, timeout_sec=_TIMEOUT_SEC)

    def _true(self, peer: Peer, some: Sequence[Event], outcome: Outcome) -> int:
        truth = Truth(self._rates)
        truth.add(some)
        _require_none(peer.name, truth.differences(outcome.last))
        return len(outcome.last)


def _require_none(name: str, wrong: Sequence[str]) -> None:
    if wrong:
        shown = "; ".join(wrong[:_DIFFERENCES_TOLD])
        raise FatalError(f"{name} came to another result on {len(wrong)} keys, so it is not timed: {shown}")


def _budgets(kafka: KafkaSettings, load: Company) -> None:
    """The company's budgets are in force: what Burnline always does is part of its cost."""
    with TemporaryDirectory(prefix="burnline-bench-") as folder:
        file = Path(folder, "budgets.toml")
        file.write_text(load.budgets_toml)
        apply_files(kafka, Request((file,), actor="bench peers"), now=datetime.now(UTC), timeout_sec=0)


def said_rates(kafka: KafkaSettings, org: str) -> dict[str, tuple[int, int, int]]:
    """The last word of `usage.rates` on each team, user and model of an org: its time, 5 minutes, 1 hour, pico-USD."""
    found: dict[str, tuple[int, int, int]] = {}
    with Positions(kafka) as positions:
        for place, end in positions.readable_ends(["usage.rates"]).items():
            for value in positions.values(place, 0, end):
                told = msgspec.json.decode(value)
                if told["type"] == RATES_TYPE and told["data"]["org"] == org:
                    found |= _rates_in(told["data"])
    return found


def _rates_in(data: Mapping[str, object]) -> dict[str, tuple[int, int, int]]:
    told = msgspec.convert(data, _Rates)
    at_us = micros(datetime.fromisoformat(told.window_end))
    found = {}
    for rate in told.rates:
        if rate.entity_type in KINDS:
            usd = {one.window_sec: int(one.cost_usd * _USD_PICO) for one in rate.windows}
            five_min, hour = (usd[window_sec] for window_sec in WINDOWS_SEC)
            found[f"{rate.entity_type}/{rate.entity_id}"] = (at_us, five_min, hour)
    return found


class _Window(msgspec.Struct):
    window_sec: int
    cost_usd: Decimal


class _Rate(msgspec.Struct):
    entity_type: str
    entity_id: str
    windows: list[_Window]


class _Rates(msgspec.Struct):
    window_end: str
    rates: list[_Rate]


def _line(name: str, taken: _Taken, versions: Mapping[str, str], peers: Sequence[Peer]) -> Line:
    peer = next((one for one in peers if one.name == name), None)
    cpu_us = [round(sec / taken.events * 1e6, 2) for sec in taken.cpu_sec]
    middle = median(cpu_us)
    return Line(
        name=name,
        version=versions[peer.package] if peer is not None else "",
        events=taken.events,
        cpu_us=cpu_us,
        cpu_us_median=middle,
        per_cpu_sec=round(1e6 / middle),
        per_sec_median=round(median(taken.events / sec for sec in taken.wall_sec)),
        by_process={stage: round(median(some) / taken.events * 1e6, 2) for stage, some in taken.by_process.items()},
        keys_compared=taken.keys,
        note=peer.without if peer is not None else DOES,
    )
