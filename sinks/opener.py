"""Opens new budgets from the ledger, between the groups of the worker that stores `internal.rated`.

1. Follow `usage.policies`. Something new at offset P: what it says of the directory, of value and of alerts is stored
   (twice is once), and nothing is said before step 5: a crash begins anew.
2. Wait until rating has said on each of its lanes that it works under P: from then on it counts directly. Its lanes of
   charges have then sent what charges were worth before: that is no part of an opening.
3. Take the ends of `internal.rated` and wait until the ledger has all before them: every row rated under less than P.
4. Sum those rows for each new budget. They are a fixed set: later rows are rated under P or more, so it does not matter
   that groups are stored between two questions, or that a question is asked twice. Only what replaces a stored row
   has to wait until step 5 (`finish`).
5. Publish the sums and the progress on `usage.policies` in one transaction. A crash before: nothing happened; after:
   it is known. So burn sees each opening once, whatever dies.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from schemas.errors import LogChangedError
from schemas.policies import Policies, PolicyChange, fold
from schemas.progress import Progress, progress_from_bytes
from schemas.topics import BY_NAME
from sinks.directory_rows import DIRECTORY_TABLE, directory_rows
from sinks.group_log import PROGRESS, GroupLog, word
from sinks.label_rows import LABEL_TABLE, label_rows
from sinks.log_reader import End, LogReader, Place, Record, Vanished
from sinks.openings import opening, questions
from sinks.patience import Patience
from sinks.rated_log import RATED
from sinks.store import FINAL, Store
from sinks.value_policy_rows import VALUE_POLICIES_TABLE, value_policy_rows

POLICIES: Place = ("usage.policies", 0)
_EVENTS, _CHARGES = "usage.events", "usage.charges"
_LANES: tuple[Place, ...] = tuple((topic, n) for topic in (_EVENTS, _CHARGES) for n in range(BY_NAME[topic].partitions))
_BACK = 400
"""Records of `internal.progress` to look back: half a minute or more; a lane that lives speaks every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenerDoors:
    """What the opener reads from and writes to; all are the worker's own, for its thread."""

    reader: LogReader
    log: GroupLog
    store: Store
    patience: Patience


class Opener:
    """Keeps `usage.policies` opened up to its end; `step` is to be called while no insert runs."""

    def __init__(self, doors: OpenerDoors, log: FilteringBoundLogger) -> None:
        self._doors = doors
        self._log = log
        self._topic_id = ""
        self._policies: Policies = {}
        self._unsaid: list[tuple[int, PolicyChange]] = []  # changes that are not said to be through
        self._read = -1  # offset of the newest change that was read
        self._next = 0  # everything below was read, markers included
        self._at_end = False
        self._done = 0  # everything below is opened and said
        self._lanes: dict[Place, Progress] | None = None  # what rating says, while that is waited for
        self._stored: Mapping[int, int] = {}
        self._work = self._run()
        self._summing = False
        self.opened = -1

    def begin(self, said: Mapping[Place, Progress]) -> dict[Place, int]:
        """Goes on after what was said last; what is to be read for it, from where.

        Raises: LogChangedError: the topic was deleted and created anew.
        """
        self._topic_id = self._doors.patience.until_done(lambda: self._doors.reader.facts(POLICIES[0])).topic_id
        entry = said.get(POLICIES)
        if entry is not None:
            if entry.topic_id != self._topic_id:
                raise LogChangedError(
                    f"{POLICIES[0]} is not the topic whose budgets were opened (it was deleted and created anew)"
                )
            self.opened, self._done = entry.policy_offset, entry.next_offset
        low, _ = self._doors.patience.until_done(lambda: self._doors.reader.bounds(POLICIES))
        return {POLICIES: low}

    def take(self, fact: Record | End | Vanished) -> None:
        """What came from a topic that the opener reads. Raises: LogChangedError: policies are gone."""
        place = (fact.topic, fact.partition)
        if place == POLICIES:
            self._take_policy(fact)
        elif place == PROGRESS and isinstance(fact, Record) and self._lanes is not None and fact.value:
            entry = progress_from_bytes(fact.value)
            if entry.stage == "rating":
                self._lanes[entry.topic, entry.partition] = entry

    def step(self, stored: Mapping[int, int]) -> None:
        """A little work, if there is any. `stored`: next offset of each partition of `internal.rated`.

        Raises: FencedError, StopRequested.
        """
        self._stored = stored
        next(self._work)

    def finish(self, stored: Mapping[int, int]) -> None:
        """No opening is half summed: to be called before a stored row is replaced. Raises as `step`."""
        while self._summing:
            self.step(stored)

    def _take_policy(self, fact: Record | End | Vanished) -> None:
        if isinstance(fact, Vanished):
            raise LogChangedError(f"changes of {POLICIES[0]} are gone; budgets cannot be opened without them")
        if isinstance(fact, End):
            self._at_end, self._next = True, max(self._next, fact.offset)
            return
        self._at_end, self._read, self._next = False, fact.offset, fact.offset + 1
        try:
            change = PolicyChange.model_validate_json(fact.value)
        except ValidationError as error:
            reason = str(error.errors(include_url=False)[0])
            self._log.error("policy change skipped", offset=fact.offset, reason=reason)
            return
        self._policies = fold(self._policies, change, offset=fact.offset)
        if fact.offset >= self._done:
            self._unsaid.append((fact.offset, change))

    def _run(self) -> Iterator[None]:
        while True:
            if self._at_end and self._next > self._done:
                yield from self._open(self._policies, up_to=max(self._read, self.opened), next_offset=self._next)
            yield

    def _open(self, policies: Policies, *, up_to: int, next_offset: int) -> Iterator[None]:
        until_done = self._doors.patience.until_done
        unsaid = [one for one in self._unsaid if one[0] < next_offset]
        own = (
            (DIRECTORY_TABLE, directory_rows(unsaid)),
            (VALUE_POLICIES_TABLE, value_policy_rows(unsaid)),
            (LABEL_TABLE, label_rows(unsaid)),
        )
        for name, table in own:
            if table.num_rows:
                until_done(lambda name=name, table=table: self._doors.store.insert(name, table))  # type: ignore[misc]  # mypy does not infer defaults of lambdas
        if up_to > self.opened:
            yield from self._wait_for_rating(up_to)
            ends = {
                partition: until_done(lambda partition=partition: self._doors.reader.bounds((RATED, partition)))[1]  # type: ignore[misc]  # mypy does not infer defaults of lambdas
                for partition in range(BY_NAME[RATED].partitions)
            }
            while any(self._stored.get(partition, 0) < end for partition, end in ends.items()):
                yield
        times = [entry.log_time_us for (topic, _), entry in (self._lanes or {}).items() if topic == _EVENTS]
        self._lanes = None
        rows: list[dict[str, Any]] = []
        budgets = 0
        if up_to > self.opened:
            self._summing = True
            for question in questions(policies, opened=self.opened, floor_us=min(times), lead_us=max(times)):
                sql, parameters = question.sql(), question.parameters()
                answers = until_done(
                    lambda sql=sql, parameters=parameters: self._doors.store.rows(sql, parameters, **FINAL)  # type: ignore[misc]  # as above
                )
                rows += question.rows(answers)
                budgets += sum(len(ids) for ids in question.budgets.values())
                yield
        said = word(
            POLICIES, next_offset, topic_id=self._topic_id, policy_offset=up_to, log_time_us=max(times, default=0)
        )
        messages = opening(rows, opened=up_to) if up_to > self.opened else []
        until_done(lambda: self._doors.log.commit(group=None, progress=[said], adjustments=messages))
        self.opened, self._done, self._summing = up_to, next_offset, False
        self._unsaid = [one for one in self._unsaid if one[0] >= next_offset]
        self._log.info("opened from the ledger", policy_offset=up_to, budgets=budgets, rows=len(rows))

    def _wait_for_rating(self, offset: int) -> Iterator[None]:
        """Every lane of rating works under the policies at the offset, and those of events have a log time."""
        reader, until_done = self._doors.reader, self._doors.patience.until_done
        lanes: dict[Place, Progress] = {}
        self._lanes = lanes
        low, high = until_done(lambda: reader.bounds(PROGRESS))
        until_done(lambda: reader.also(PROGRESS, max(low, high - _BACK)))
        while not all(
            lane in lanes and lanes[lane].policy_offset >= offset and (lanes[lane].log_time_us or lane[0] == _CHARGES)
            for lane in _LANES
        ):
            yield
        until_done(lambda: reader.drop(PROGRESS))
