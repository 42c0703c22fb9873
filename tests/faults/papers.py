"""What a run sends beside events, outcomes and charges, and what must come of it. Pure; shares no code with the stages.

Laws
1. Of each paper its highest revision stands; a copy changes nothing, another content of the same revision is a dead
   letter.
2. An outcome that is void is not there; a charge of nothing stands and debits nothing.
3. Charges are for yesterday, so all of each is due: they debit a budget that no event debits.
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from schemas.money import pico_usd
from tests.faults.checks import Check, check, compare
from tests.faults.limits import Limit
from tests.faults.moments import instant, rfc3339

OUTCOMES, CHARGES = "usage.outcomes", "usage.charges"
EVERY = 15
"""Of so many events, one paper is sent beside them."""
_ORGS = ("ledger", "quarry")
_SOURCE = "papers"
_BUDGET = "papers"
_PICO = 10**12
_KINDS = {"new": 55, "copy": 15, "revision": 12, "contradiction": 10, "taken back": 8}
_REMEMBERED = 40


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One outcome or charge as it is sent; its key is its org."""

    topic: str
    org: str
    id: str
    revision: int
    amount_pico_usd: int
    at_us: int

    def as_bytes(self) -> bytes:
        """The CloudEvent."""
        amount = f"{self.amount_pico_usd // _PICO}.{self.amount_pico_usd % _PICO:012}"
        data: dict[str, Any] = {"org": self.org, "team": "clerks", "revision": self.revision}
        if self.topic == OUTCOMES:
            data |= {"outcome_type": "resolved_ticket", "value_usd": amount, "void": self.amount_pico_usd == 0}
        else:
            today = instant(self.at_us).date()
            data |= {"kind": "adjustment", "amount_usd": amount, "service_until": today.isoformat()}
            data["service_from"] = (today - timedelta(days=1)).isoformat()
        kind = "burnline.outcome.v1" if self.topic == OUTCOMES else "burnline.charge.v1"
        said = {"specversion": "1.0", "type": kind, "source": _SOURCE, "id": self.id, "time": rfc3339(self.at_us)}
        return json.dumps({**said, "data": data}).encode()


@dataclass
class Papers:
    """The papers of a seed, one after the other; the same seed and times give the same bytes."""

    seed: int
    _sent: int = 0
    _known: deque[Paper] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = Random(f"papers-{self.seed}")  # noqa: S311  a seeded test

    def next(self, now_us: int) -> Paper:
        """The next one, sent at `now_us`."""
        self._sent += 1
        dice = self._dice
        kind = dice.choices(tuple(_KINDS), tuple(_KINDS.values()))[0] if self._known else "new"
        if kind == "new":
            topic, org = dice.choice((OUTCOMES, CHARGES)), dice.choice(_ORGS)
            amount = dice.randrange(1, _PICO)
            name = f"p-{self.seed}-{self._sent:05}"
            self._known.append(Paper(topic=topic, org=org, id=name, revision=1, amount_pico_usd=amount, at_us=now_us))
            return self._known[-1]
        at = dice.randrange(len(self._known))
        known = self._known[at]
        if kind == "copy":
            return known
        if kind == "contradiction":
            return replace(known, amount_pico_usd=known.amount_pico_usd + 1)
        amount = 0 if kind == "taken back" else dice.randrange(1, _PICO)
        self._known[at] = replace(known, revision=known.revision + 1, amount_pico_usd=amount)
        return self._known[at]


def budgets_toml() -> str:
    """The budgets that charges debit, as `burnline apply` reads them; nothing ever reaches their thresholds."""
    return "\n".join(Limit(id=_BUDGET, org=org, limit="1000000").as_toml() for org in _ORGS)


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of one of the topics."""

    topic: str
    partition: int
    offset: int
    value: bytes


@dataclass
class PapersTruth:
    """What must come out: revision and amount of what stands, by topic, org and id; and the dead letters."""

    standing: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    dead: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def of(self, topic: str) -> dict[tuple[str, str], tuple[int, int]]:
        """Revision and amount of what is to be seen of a topic, by org and id."""
        seen = {key[1:]: said for key, said in self.standing.items() if key[0] == topic}
        return {key: said for key, said in seen.items() if said[1] or topic == CHARGES}

    def debits(self) -> dict[str, int]:
        """What charges debit, in pico-USD by org."""
        found: Counter[str] = Counter()
        for (org, _), (_, amount) in self.of(CHARGES).items():
            found[org] += amount
        return dict(found)


def papers_truth(log: Iterable[Logged]) -> PapersTruth:
    """The truth of a log; records of a partition come in offset order."""
    truth = PapersTruth()
    for record in log:
        said = json.loads(record.value)
        data = said["data"]
        key = (record.topic, data["org"], said["id"])
        amount = pico_usd(Decimal(data["value_usd" if record.topic == OUTCOMES else "amount_usd"]))
        revision, before = truth.standing.get(key, (0, 0))
        if data["revision"] > revision:
            truth.standing[key] = (data["revision"], amount)
        elif data["revision"] == revision and amount != before:
            truth.dead[record.topic, record.partition, record.offset] = "conflicting_duplicate"
    return truth


OUTCOMES_SQL = f"SELECT org, id, revision, value_usd AS amount FROM outcomes WHERE source = '{_SOURCE}'"
CHARGES_SQL = f"SELECT org, id, revision, amount_usd AS amount FROM charges WHERE source = '{_SOURCE}'"
LETTERS_SQL = f"SELECT topic, partition, offset, reason FROM dead_letters WHERE topic IN ('{OUTCOMES}', '{CHARGES}')"
DEBITS_SQL = f"SELECT org, sum(spent) AS amount FROM budget_states WHERE budget_id = '{_BUDGET}' GROUP BY org"
Row = Mapping[str, Any]


def missing(sent: Iterable[Paper], log: Iterable[Logged]) -> list[str]:
    """The papers that were sent and do not stand in the log as often."""
    left = Counter(paper.as_bytes() for paper in sent) - Counter(record.value for record in log)
    return [f"{count} times: {value.decode()}" for value, count in left.items()]


def stored_check(topic: str, truth: PapersTruth, rows: Iterable[Row]) -> Check:
    """Whether what stands of a topic is what its view shows."""
    expected = truth.of(topic)
    actual = {
        (str(row["org"]), str(row["id"])): (int(row["revision"]), pico_usd(Decimal(row["amount"]))) for row in rows
    }
    return check("I1", f"{topic}: the highest revision of each", len(expected), compare(expected, actual))


def letters_check(truth: PapersTruth, rows: Iterable[Row]) -> Check:
    """Whether each contradiction is a dead letter, and nothing else is."""
    actual = {(str(row["topic"]), int(row["partition"]), int(row["offset"])): str(row["reason"]) for row in rows}
    what = "dead letters of outcomes and charges"
    return check("I2", what, len(truth.dead), compare(truth.dead, actual))


def debits_check(truth: PapersTruth, rows: Iterable[Row]) -> Check:
    """Whether the budgets were debited with what stands, to the last digit."""
    expected = truth.debits()
    actual = {str(row["org"]): pico_usd(Decimal(row["amount"])) for row in rows}
    return check("I7", "charges debit their budgets", len(expected), compare(expected, actual))
