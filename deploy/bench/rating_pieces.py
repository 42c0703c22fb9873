"""`burnline bench rating --pieces`: what each step of rating costs per event; no Kafka, one lane, CPU time.

Each batch is rated by a lane as a worker would; then its steps are made one by one, by the same functions, and timed.
`the rest` is what the whole takes beyond them: headers, and a memory that is colder than when steps are repeated.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import numpy as np

from deploy.bench.rating_load import Fixed, Load, World
from schemas.usage_codec import skim
from streams.ports import SourceBatch
from streams.rating.attribution import Directory
from streams.rating.charging import charge
from streams.rating.columns import Columns
from streams.rating.decoding import Reader
from streams.rating.deltas import counted, deltas_of
from streams.rating.duplicates import Known, Verdict, Window
from streams.rating.identity import content_hashes, event_identities
from streams.rating.judging import judge
from streams.rating.matching import Matcher
from streams.rating.messages import Batch, delta_messages, rated_messages
from streams.rating.price_rules import Prices
from streams.rating.prices import PriceBook
from streams.rating.rows import Marks, rated_rows
from streams.rating.seen import Seen, seen_to_bytes
from streams.rating.stage import WINDOW_EVENTS, RatingLane, RatingStage
from streams.rating.steps import steps_of
from streams.rating.strays import strays

Told = Callable[[str], None]
WHOLE, REST, DECODE, FREED = "the whole", "the rest", "msgspec alone", "giving memory back"
_WARM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of repeated measurements of one piece, CPU microseconds per event."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """What was measured; `sent_bytes` are those of all outputs, per event."""

    event_bytes: float
    batch: int
    batches: int
    copies: int
    sent_bytes: float
    window: int
    us_per_event: dict[str, Spread]

    def per_cpu_sec(self) -> int:
        """Events per CPU second, of the median batch."""
        return round(1e6 / self.us_per_event[WHOLE].median)


class _Clock:
    """CPU seconds by piece, a figure for each batch."""

    def __init__(self) -> None:
        self.sec: dict[str, list[float]] = defaultdict(list)

    def total(self) -> float:
        """The seconds of all pieces."""
        return sum(map(sum, self.sec.values()))

    @contextmanager
    def of(self, piece: str) -> Iterator[None]:
        """What is done within is the piece's."""
        began = time.process_time()
        yield
        self.sec[piece].append(time.process_time() - began)


def new_lane(world: World) -> RatingLane:
    """Rating of one partition under the company's policies, that has read nothing."""
    lane = RatingStage(Fixed(world.policies)).lane("usage.events", 0)
    if not isinstance(lane, RatingLane):
        raise TypeError(f"rating's lane is a {type(lane).__name__}")
    return lane


def measured(  # noqa: PLR0913  made in one place, by name
    world: World,
    *,
    batch: int,
    batches: int,
    entities: int = 0,
    models: int = 0,
    bad_share: float = 0,
    warm_events: int = 0,
) -> Pieces:
    """The figures of so many batches, after some more (`warm_events` at least) that are not measured."""
    load = Load(world, entities=entities, models=models, bad_share=bad_share)
    lane, taken = new_lane(world), _Taken(world)
    for number in range(max(_WARM, warm_events // batch)):
        lane.step(load.batch(batch))
        if number < _WARM:
            taken.step(load.batch(batch), _Clock())
    clock, sent = _Clock(), 0
    for _ in range(batches):
        some = load.batch(batch)
        gc.collect()
        with clock.of(DECODE):
            alone = [skim(record.value or b"") for record in some.records]
        del alone
        with clock.of(WHOLE):
            result = lane.step(some)
        sent += sum(len(output.value) for output in result.outputs)
        before, began = clock.total(), time.process_time()
        taken.step(some, clock)
        clock.sec[FREED].append(time.process_time() - began - (clock.total() - before))
    pieces = {name: sec for name, sec in clock.sec.items() if name not in {WHOLE, DECODE}}
    every = [sum(sec) for sec in zip(*pieces.values(), strict=True)]
    clock.sec[REST] = [max(0.0, whole - some) for whole, some in zip(clock.sec[WHOLE], every, strict=True)]
    return Pieces(
        event_bytes=round(world.mean_bytes(), 1),
        batch=batch,
        batches=batches,
        copies=lane.copies_dropped,
        sent_bytes=round(sent / (batch * batches), 1),
        window=WINDOW_EVENTS,
        us_per_event={name: spread_of(sec, batch) for name, sec in clock.sec.items()},
    )


def spread_of(sec: Sequence[float], events: int) -> Spread:
    """The spread of CPU seconds that so many events took, as microseconds of one."""
    us = [one / events * 1e6 for one in sec]
    return Spread(median=round(median(us), 2), least=round(min(us), 2), most=round(max(us), 2))


class _Taken:
    """A lane's step taken apart, with a window of its own."""

    def __init__(self, world: World) -> None:
        _, policies = Fixed(world.policies).latest()
        self._matcher, self._prices = Matcher(policies), Prices(PriceBook()).under(policies)
        self._directory = Directory().under(policies)
        self._reader, self._window = Reader(), Window(WINDOW_EVENTS)

    def step(self, some: SourceBatch, clock: _Clock) -> None:
        """All pieces of a batch are timed."""
        with clock.of("decode"):
            decoded = self._reader.read(some.records)
        with clock.of("columns, directory"):
            columns = Columns(decoded, directory=self._directory)
            _ = columns.input, columns.output
        with clock.of("prices"):
            charges = charge(columns, self._prices)
            valid = judge(columns, charges, decoded.records).valid
        with clock.of("identities"):
            identities = event_identities(columns)
        with clock.of("hashes of contents"):
            contents = content_hashes(columns)
        with clock.of("duplicates"):
            revisions = columns.numbers("revision").astype(np.uint32)
            known = Known(identities, revisions, columns.event_us, contents).take(valid)
            verdicts, maybe = self._window.admit(known)
            kept = valid[np.flatnonzero(verdicts == Verdict.COUNTED)]
            seen = Seen(known=known, held_before=0, newest_gone_us=0, log_time_us=0, policy_offset=0)
            seen_to_bytes(seen)
        with clock.of("rated rows"):
            nothing = columns.true("void")
            marks = Marks(
                identities=identities,
                live=columns.event_us > 0,
                maybe_duplicate=nothing,
                corrects=nothing,
                astray=strays(columns, 0),
                policy_offset=0,
                partition=0,
            )
            rows = rated_rows(columns, charges, marks, kept=kept)
        with clock.of("rated rows as bytes"):
            heading = _heading()
            rated_messages(heading, rows)
        with clock.of("budgets"):
            matches = self._matcher.matches(columns)
        with clock.of("sums"):
            deltas = deltas_of(counted(columns, charges, live=marks.live, kept=kept), matches)
        with clock.of("slim rows"):
            slim = steps_of(columns, charges, live=marks.live, kept=kept)
        with clock.of("sums and slim rows as bytes"):
            delta_messages(heading, deltas, slim)
        del maybe


def _heading() -> Batch:
    return Batch("usage.events", 0, 4, 0, 1, 0, 0, tick=False)
