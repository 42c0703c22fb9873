"""Outcomes, the usage behind them, and what each cost, computed one by one: what the views must say, exactly."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from schemas.internal import RATED_SCHEMA
from schemas.money import pico_usd, usd
from schemas.outcomes import decode_outcome, outcome_id
from sinks.log_reader import Record
from sinks.outcome_rows import OUTCOMES_TABLE, claim_of, judged
from sinks.signal_rows import SignalRow, tables
from tests.sink_world import rated_row

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
_PLACES = ("task", "run", "session")
Json = dict[str, Any]


def outcome(id_: str, *, at: datetime = START, **data: Any) -> Json:
    """An outcome as it is sent."""
    return {
        "specversion": "1.0", "type": "burnline.outcome.v1", "source": "made/up", "id": id_, "time": at.isoformat(),
        "data": {"org": "acme", "outcome_type": "merged", **data},
    }  # fmt: skip


def call(number: int, *, at: datetime = START, cost_usd: str | None = "1", **data: Any) -> Json:
    """A rated event; a cost of None is not known."""
    cost = None if cost_usd is None else Decimal(cost_usd)
    unknown = {"pricing_status": "unpriced_model", "list_cost_usd": None, "as_charged_cost_usd": None}
    names = {"agent": None, "team": "code", "use_case": "checkout", "model": "gpt-4o", "status": "ok"}
    return rated_row(number, ts=at) | names | {"cost_usd": cost} | (unknown if cost is None else {}) | data


def events_of(calls: Iterable[Json]) -> pa.RecordBatch:
    """The calls as rating sends them."""
    return pa.RecordBatch.from_pylist(list(calls), schema=RATED_SCHEMA)


def stored_outcomes(words: Iterable[Json]) -> list[tuple[str, pa.Table]]:
    """The words as the sink inserts them, as if they came 240 days after START."""
    came_us = int((START + timedelta(days=240)).timestamp() * 1_000_000)
    records = [Record("usage.outcomes", 0, n, came_us, msgspec.json.encode(word), ()) for n, word in enumerate(words)]
    rows, _ = judged((claim_of(record) for record in records), {})
    return tables(SignalRow(OUTCOMES_TABLE, row) for row in rows)


@dataclass
class Cost:
    """What led to an outcome: calls, those without a known cost, pico-USD, and whether any cost is known."""

    requests: int = 0
    unpriced: int = 0
    pico: int = 0
    known: bool = False

    @property
    def known_usd(self) -> Decimal | None:
        """The cost; None where no call that led to it has a known one."""
        return usd(self.pico) if self.known else None


@dataclass
class Truth:
    """Costs by outcome id, spend by how it stands to outcomes, and ids of outcomes that failed."""

    costs: dict[str, Cost] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    with_outcome_usd: Decimal = Decimal(0)
    without_outcome_usd: Decimal = Decimal(0)
    unattributed_usd: Decimal = Decimal(0)


def standing(words: Iterable[Json]) -> dict[str, Json]:
    """The data of each outcome as its highest revision says, without those that are taken back."""
    newest: dict[str, Json] = {}
    for word in words:
        id_ = outcome_id(decode_outcome(msgspec.json.encode(word)))
        if id_ not in newest or word["data"].get("revision", 1) > newest[id_].get("revision", 1):
            newest[id_] = word["data"]
    return {id_: data for id_, data in newest.items() if not data.get("void")}


def truth_of(words: Iterable[Json], calls: Iterable[Json]) -> Truth:
    """Every figure by brute force, from single calls."""
    made = {
        id_: data for id_, data in standing(words).items() if data["outcome_type"] not in {"metric", "security_finding"}
    }
    keys = _keys(made)
    stand = _last_words(words, made)
    truth = Truth(costs={id_: Cost() for id_ in stand})
    landed = {
        data.get("artifact")
        for data in made.values()
        if data["outcome_type"] in {"merged", "released"} and data.get("accepted") is not False
    }
    last = [data for data in stand.values() if data["outcome_type"] == "reverted" and data.get("accepted") is not False]
    by = {data["artifact"]: data.get("reverted_by") for data in last if "artifact" in data}
    for id_, data in stand.items():
        reverts, artifact = data["outcome_type"] == "reverted", data.get("artifact")
        gone = is_reverted(artifact, by) if artifact else reverts and data in last
        overruled = data["outcome_type"] in {"suggested", "accepted"} and artifact in landed - {None}
        if (data.get("accepted") is False and not overruled and not reverts) or gone:
            truth.failed.add(id_)
    all_keys = {pair for pairs in keys.values() for pair in pairs}
    groups: dict[tuple[Any, ...], Cost] = defaultdict(Cost)
    for one in calls:
        place = {(name, one[name]) for name in _PLACES if one[name]}
        named = {("call", name) for name in (one["id"], one["operation_id"]) if name}
        joined = (place | named) & all_keys
        led_to = frozenset(id_ for id_ in stand if keys[id_] & joined)
        alike = (*(one[name] for name in _PLACES), frozenset(named & all_keys))
        group = groups[(one["team"], one["use_case"], one["model"], alike, led_to)]
        group.requests += 1
        group.unpriced += one["cost_usd"] is None
        group.pico += 0 if one["cost_usd"] is None else pico_usd(one["cost_usd"])
        cost = one["cost_usd"] or Decimal(0)
        if joined:
            truth.with_outcome_usd += cost
        elif place:
            truth.without_outcome_usd += cost
        else:
            truth.unattributed_usd += cost
    for (*_, led_to), group in groups.items():
        _share(group, led_to, stand, truth)
    return truth


def is_reverted(artifact: str, by: Mapping[str, str | None]) -> bool:
    """Whether the artifact is taken back, where `by` names what each was reverted by; in a ring each is."""
    seen: list[str] = []
    while artifact in by:
        if artifact in seen:
            return True
        seen.append(artifact)
        artifact = by[artifact] or ""
    return len(seen) % 2 == 1


def _last_words(words: Iterable[Json], made: Mapping[str, Json]) -> dict[str, Json]:
    """Of outcomes of one type about one artifact the last that says a verdict, else the last."""
    times: dict[str, tuple[int, str]] = {}
    for word in words:
        id_, revision = outcome_id(decode_outcome(msgspec.json.encode(word))), word["data"].get("revision", 1)
        if id_ not in times or revision > times[id_][0]:
            times[id_] = (revision, word["time"])
    things: dict[tuple[str, str], list[str]] = defaultdict(list)
    for id_, data in made.items():
        things[data["outcome_type"], f"of {data['artifact']}" if data.get("artifact") else id_].append(id_)
    last = {
        max(same, key=lambda id_: (made[id_].get("accepted") is not None, times[id_][1], id_))
        for same in things.values()
    }
    return {id_: data for id_, data in made.items() if id_ in last}


def _keys(made: Mapping[str, Json]) -> dict[str, set[tuple[str, str]]]:
    """What each outcome is joined by, its artifact's other outcomes included."""
    own = {
        id_: {(kind, data[kind]) for kind in (*_PLACES, "call") if data.get(kind)}
        | ({("task", data["artifact"])} if data.get("artifact") else set())
        for id_, data in made.items()
    }
    return {
        id_: own[id_].union(
            *(
                own[other]
                for other, said in made.items()
                if said.get("artifact") and said["artifact"] == data.get("artifact")
            )
        )
        for id_, data in made.items()
    }


def _share(group: Cost, led_to: Iterable[str], stand: Mapping[str, Json], truth: Truth) -> None:
    """The spend of calls that led to the same goes to these, evenly within each type, the rest to the later ones."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for id_ in led_to:
        by_type[stand[id_]["outcome_type"]].append(id_)
    for joined in map(sorted, by_type.values()):
        for nth, id_ in enumerate(joined, start=1):
            cost = truth.costs[id_]
            cost.requests += _part(group.requests, nth, len(joined))
            cost.unpriced += _part(group.unpriced, nth, len(joined))
            cost.pico += _part(group.pico, nth, len(joined))
            cost.known |= group.requests > group.unpriced


def _part(whole: int, nth: int, of: int) -> int:
    return whole * nth // of - whole * (nth - 1) // of


def made_up(seed: int, *, words: int = 40, calls: int = 120) -> tuple[list[Json], list[Json]]:
    """Outcomes with corrections, reversals and shared work, up to ten days after the usage that led to them."""
    r = random.Random(seed)  # noqa: S311  no secret
    used = [_made_up_call(r, number) for number in range(calls)]
    said = [word for number in range(words) for word in _made_up_words(r, number, calls=calls)]
    r.shuffle(said)
    return said, used


def _made_up_call(r: random.Random, number: int) -> Json:
    names = {
        name: f"{name}-{r.randrange(9)}" if r.random() < share else None
        for name, share in (("task", 0.6), ("run", 0.4), ("session", 0.4))
    }
    return call(
        number,
        at=START + timedelta(minutes=r.randrange(20_000)),
        cost_usd=None if r.random() < 0.1 else str(Decimal(r.randrange(10**12)).scaleb(-12)),
        team=r.choice(["code", "ops"]),
        use_case=r.choice(["checkout", None]),
        model=r.choice(["gpt-4o", "o3"]),
        operation_id=f"op-{number // 2}",
        **names,
    )


def _made_up_words(r: random.Random, number: int, *, calls: int) -> list[Json]:
    """An outcome, its corrections, and that it is taken back."""
    data: Json = {"outcome_type": r.choice(["suggested", "accepted", "merged", "released", "reverted", "feedback"])}
    data |= {name: f"{name}-{r.randrange(9)}" for name in _PLACES if r.random() < 0.35}
    if data["outcome_type"] == "feedback" and r.random() < 0.7:
        data["call"] = r.choice([f"call-{r.randrange(calls)}", f"op-{r.randrange(calls // 2)}"])
    elif r.random() < 0.7:
        data["artifact"] = r.choice([f"change-{r.randrange(6)}", f"task-{r.randrange(9)}"])
        if data["outcome_type"] == "reverted":
            data["reverted_by"] = f"change-{r.randrange(6)}"
    if r.random() < 0.6:
        data["accepted"] = r.random() < 0.7
    said = [outcome(str(number), at=START + timedelta(days=r.randrange(24)), **data)]
    later = START + timedelta(days=24)
    if r.random() < 0.4:
        said.append(outcome(str(number), at=later, **{**data, "revision": 2, "accepted": r.random() < 0.5}))
    if r.random() < 0.1:
        said.append(outcome(str(number), at=later, **data, revision=3, void=True))
    return said
