"""A small world around rating and burn: lanes of rating that lag behind each other, and a ledger (small_ledger.py)."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from schemas.internal import from_arrow_bytes
from schemas.keys import partition_for
from schemas.policies import InForce, Key
from schemas.topics import PARTITIONS
from streams.ports import LaneLogic, Output, SourceBatch, SourceRecord, Ticks
from streams.rating.adjusting import ADJUSTMENTS_TOPIC
from streams.rating.stage import SOURCE_TOPIC, RatingStage
from tests.laws.rating_events import BOOK, event, raw, rfc3339
from tests.laws.small_ledger import Ledger, Rated, identity
from tests.scenarios.burn_log import SEC, PolicyHistory

ORG = "acme"
HOME = partition_for(ORG.encode(), PARTITIONS)


class View:
    """The policy log as one worker has read it so far; conforms to `streams.ports.PolicyLog`."""

    def __init__(self, whole: PolicyHistory) -> None:
        self._whole = whole
        self.upto = -1

    def latest(self) -> tuple[int, dict[Key, InForce]]:
        """The highest offset read."""
        return self.upto, self._whole.at(self.upto) if self.upto >= 0 else {}

    def at(self, offset: int) -> dict[Key, InForce]:
        """What is in force at an offset. Raises: KeyError: not read yet."""
        if offset > self.upto:
            raise KeyError(offset)
        return self._whole.at(offset)


@dataclass
class RatingWorker:
    """One lane of rating with its own view of the policies, and how far it says that it is."""

    topic: str
    partition: int
    view: View
    logic: LaneLogic
    waiting: list[SourceRecord] = field(default_factory=list)
    offset: int = 0
    policy_offset: int = -1

    def arrive(self, value: bytes, at_us: int, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """A record is in its partition."""
        self.waiting.append(SourceRecord(self.offset, at_us, None, value, headers))
        self.offset += 1


class World:
    """Everything that happens, in any order that can happen; `deltas` is what burn reads."""

    def __init__(self, policies: PolicyHistory, dice: random.Random, *, start_us: int, window_events: int) -> None:
        self.policies, self.dice, self.now_us = policies, dice, start_us
        self.workers = [
            RatingWorker(
                topic, partition, view, RatingStage(view, window_events=window_events, book=BOOK).lane(topic, partition)
            )
            for topic in (SOURCE_TOPIC, ADJUSTMENTS_TOPIC)
            for partition in range(PARTITIONS)
            for view in [View(policies)]
        ]
        self.events, self.adjustments = self.workers[:PARTITIONS], self.workers[PARTITIONS:]
        self.rated: list[list[Rated]] = []
        self.stored = 0
        self.ledger = Ledger()
        self.deltas: list[SourceRecord] = []
        self.sent: list[tuple[int, bytes]] = []

    def emit(self, value: bytes, partition: int) -> None:
        """An event arrives."""
        self.sent.append((partition, value))
        self.events[partition].arrive(value, self.now_us)

    def rate(self, worker: RatingWorker) -> None:
        """A lane of rating steps over what waits, or ticks."""
        if not worker.waiting:
            result = worker.logic.tick(self.now_us) if isinstance(worker.logic, Ticks) else None
        else:
            batch = SourceBatch(worker.topic, worker.partition, worker.waiting)
            worker.view.upto = max(worker.view.upto, worker.logic.policy_offset_needed(batch))
            result, worker.waiting = worker.logic.step(batch), []
        if result is None:
            return
        worker.policy_offset = result.policy_offset
        for output in result.outputs:
            if output.topic == "internal.deltas" and output.partition == HOME:
                record = SourceRecord(len(self.deltas), self.now_us, None, output.value, output.headers)
                self.deltas.append(record)
            elif output.topic == "internal.rated":
                self.rated.append(from_arrow_bytes(output.value).to_pylist())

    def store(self) -> bool:
        """The ledger stores the next group, if there is one."""
        if self.stored == len(self.rated):
            return False
        self._publish(self.ledger.store(self.rated[self.stored]))
        self.stored += 1
        return True

    def correct(self) -> None:
        """An operator undoes an event that counts, or rates it anew: to a price, or to none."""
        counting = sorted(map(identity, self.ledger.counting()))
        if not counting:
            return
        at, price = self.dice.choice(counting), Decimal(self.dice.randrange(1, 10**6)).scaleb(-6)
        happens = self.dice.random()
        if happens < 0.3:
            self._publish(self.ledger.undo(at))
        else:
            self._publish(self.ledger.rerate(at, *((price, None) if happens < 0.7 else (None, price))))

    def open(self) -> bool:
        """The ledger opens the next policy offset, if it can."""
        named = min(worker.policy_offset for worker in self.events)
        said = self.ledger.opening(self.policies, named=named, stored=self.stored, rated=len(self.rated))
        self._publish(said)
        return said is not None

    def settle(self) -> None:
        """Everybody has read everything."""
        for worker in self.workers:
            worker.view.upto = self.policies.latest()[0]
        for _ in range(3):
            self.now_us += SEC
            for worker in self.workers:
                self.rate(worker)
            while self.store() or self.open():
                pass

    def _publish(self, said: Output | None) -> None:
        if said is not None and said.partition is not None:
            self.adjustments[said.partition].arrive(said.value, self.now_us, said.headers)


def revised(dice: random.Random, value: bytes) -> bytes:
    """A revision of an event: other tokens, another user, or void; now and then one that is late."""
    said = json.loads(value)
    said["data"]["revision"] = dice.choice([2, 2, 3])
    if dice.random() < 0.2:
        said["data"]["void"] = True
    else:
        said["data"] |= {"output_tokens": dice.randrange(120, 9999), "user": dice.choice(["ana", "bo"])}
    return json.dumps(said).encode()


def random_event(dice: random.Random, number: int, now_us: int) -> bytes:
    """An event of our org: mostly new, sometimes hours old, of few names and any price."""
    ago_us = dice.choice([0, dice.randrange(60 * SEC), dice.randrange(30 * 3600 * SEC)])
    return raw(
        event(
            f"e-{number}",
            org=ORG,
            time=rfc3339(now_us - ago_us),
            team=dice.choice(["code", "data"]),
            user=dice.choice(["ana", "bo", "cy", None]),
            model=dice.choice(["gpt-4o", "gpt-4o-mini", "no-such-model"]),
            input_tokens=dice.randrange(3072, 400_000),
        )
    )
