"""Checkpoints of a partition's state: rounds of pages as of one offset, and the recovery from the newest whole one.

Laws
1. A round begins after the record at offset C. Everything in it is as of C: pages are copied aside before they change.
2. The head comes last. A round without its head, or with a piece missing or unreadable, or of another layout, or with
   C at or above the lane's position, does not exist.
3. Recovery takes the newest whole round by (epoch, round); the new epoch is above every epoch seen.
4. A step writes at most `STEP_BYTES` of raw pages (one at least), so a round is spread over steps.
A crash between any two steps costs a longer replay, never a wrong state: offset and round are apart on purpose.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Generic

import lz4.block
import msgspec

from streams.burn.table import PageBytes
from streams.kept import VERSION, Checkpointed, Kept, S
from streams.ports import Output, PartitionReader, SourceRecord

EVERY_US = 60_000_000
"""The least time between the beginnings of rounds; a large round waits longer, so that they write `RATE_BYTES_SEC`."""
SLOWEST_US = 600_000_000
IDLE_US = 3_600_000_000
"""After this time a round is written although no row came: newer records push old ones out of the topic."""
RATE_BYTES_SEC = 524_288
STEP_BYTES = 4_194_304
_CROSS_BYTES = 524_288
_FIRST_LOOK = 256


class Piece(msgspec.Struct, array_like=True, frozen=True):
    """One record of a round. `part` is a table's name, "cross" or "head"; `index` counts within it."""

    layout: str
    epoch: int
    round: int
    offset: int
    part: str
    index: int
    body: bytes


class Head(msgspec.Struct, frozen=True):
    """What a whole round consists of: how many pieces of each part."""

    pieces: dict[str, int]


def layout_of(
    state: Checkpointed, without: Mapping[str, frozenset[str]] = MappingProxyType({}), *, version: int = VERSION
) -> str:
    """A name for how pages are laid out, `without` some columns; pages of a layout that is not known are not read."""
    spec = []
    for name, table in state.tables().items():
        none = without.get(name, frozenset[str]())
        columns = [(column, kind.dtype, kind.width) for column, kind in table.spec.items() if column not in none]
        if columns:
            spec.append((name, table.page_rows, columns))
    return blake2b(msgspec.json.encode([version, spec]), digest_size=8).hexdigest()


def digest(state: Checkpointed) -> str:
    """A hash over the whole state: equal states have equal digests, whatever led to them."""
    total = blake2b(state.cross(), digest_size=16)
    for table in state.tables().values():
        for page in range(table.pages()):
            total.update(msgspec.msgpack.encode(table.read(page)))
    return total.hexdigest()


class Rounds(Generic[S]):
    """Writes one round after the other for one partition, in one epoch; at most about `step_bytes` of pages a step."""

    def __init__(self, kept: Kept[S], *, partition: int, epoch: int, step_bytes: int = STEP_BYTES) -> None:
        self._kept = kept
        self.partition = partition
        self.epoch = epoch
        self._step_bytes = step_bytes
        self.round = 0
        self._begun_us = 0
        self._rows_since = False
        self._written_bytes = 0  # of the round in hand, or the last one
        self._running: Iterator[tuple[Output, int]] | None = None

    def saw_rows(self) -> None:
        """The state holds more than at the last round: the next round is worth its bytes."""
        self._rows_since = True

    def outputs(self, state: S, *, offset: int) -> list[Output]:
        """This step's share of the round in hand; a new round begins when one is due. `offset`: the last record."""
        if self._running is None:
            if state.clock.lead_us < self._begun_us + self._pause_us():
                return []
            self._begin(state, offset=offset)
        return self._some(self._step_bytes)

    def whole(self, state: S, *, offset: int) -> list[Output]:
        """A whole round as of now, at once: for a graceful stop."""
        self._begin(state, offset=offset)
        return self._some(None)

    def _pause_us(self) -> int:
        if not self._rows_since:
            return IDLE_US
        return min(max(EVERY_US, self._written_bytes * 1_000_000 // RATE_BYTES_SEC), SLOWEST_US)

    def _begin(self, state: S, *, offset: int) -> None:
        self.round += 1
        self._begun_us = state.clock.lead_us
        self._rows_since = False
        self._written_bytes = 0
        self._running = self._pieces(state, offset=offset)

    def _some(self, most_bytes: int | None) -> list[Output]:
        found: list[Output] = []
        taken = 0
        while self._running is not None and (most_bytes is None or taken < most_bytes):
            output, size = next(self._running, (None, 0))
            if output is None:
                self._running = None
                break
            found.append(output)
            taken += size
            self._written_bytes += len(output.value)
        return found

    def _pieces(self, state: S, *, offset: int) -> Iterator[tuple[Output, int]]:
        tables = state.tables()
        layout = layout_of(state, version=self._kept.version)
        marked = {name: table.mark() for name, table in tables.items()}
        cross = lz4.block.compress(state.cross())
        parts = [cross[start : start + _CROSS_BYTES] for start in range(0, len(cross), _CROSS_BYTES)]
        return self._written(state, layout, offset, marked, parts)

    def _written(
        self, state: S, layout: str, offset: int, marked: dict[str, int], cross: list[bytes]
    ) -> Iterator[tuple[Output, int]]:
        def output(part: str, index: int, body: bytes) -> Output:
            piece = Piece(layout, self.epoch, self.round, offset, part, index, body)
            key = f"{self.epoch}|{self.round}|{part}|{index}".encode()
            return Output(
                topic=self._kept.topic, partition=self.partition, key=key, value=msgspec.msgpack.encode(piece)
            )

        for name, table in state.tables().items():
            raw_bytes = table.page_rows * sum(column.bytes_per_row() for column in table.spec.values())
            for page in range(marked[name]):
                yield output(name, page, msgspec.msgpack.encode(table.take(page))), raw_bytes
        for index, body in enumerate(cross):
            yield output("cross", index, body), len(body)
        head = Head({**marked, "cross": len(cross)})
        yield output("head", 0, msgspec.msgpack.encode(head)), 0


@dataclass(frozen=True, slots=True)
class Recovered(Generic[S]):
    """What recovery found: the state as of `offset` (-1: none, a fresh state), and the epoch to write under."""

    state: S
    offset: int
    epoch: int


async def recover(reader: PartitionReader, kept: Kept[S], *, partition: int, next_offset: int) -> Recovered[S]:
    """The newest whole round below the lane's position, or a fresh state where there is none."""
    look = _FIRST_LOOK
    while True:
        records = await reader.read_last(kept.topic, partition, records=look)
        pieces = [piece for record in records if (piece := _piece(record)) is not None]
        found = newest(pieces, kept, next_offset=next_offset)
        if found is not None or len(records) < look:
            epoch = max((piece.epoch for piece in pieces), default=0) + 1
            state, offset = found if found is not None else (kept.fresh(), -1)
            return Recovered(state, offset, epoch)
        look *= 8


def newest(pieces: Sequence[Piece], kept: Kept[S], *, next_offset: int) -> tuple[S, int] | None:
    """The state of the newest whole round among the pieces and its offset; None where there is no whole one."""
    state = kept.fresh()
    known = {layout_of(state, older, version=kept.version) for older in (MappingProxyType({}), *kept.older)}
    known |= kept.layouts
    rounds: dict[tuple[int, int, int], dict[tuple[str, int], bytes]] = {}
    for piece in pieces:
        if piece.layout in known and piece.offset < next_offset:
            rounds.setdefault((piece.epoch, piece.round, piece.offset), {})[piece.part, piece.index] = piece.body
    for name in sorted(rounds, reverse=True):
        restored = _restored(rounds[name], kept)
        if restored is not None:
            return restored, name[2]
    return None


def _restored(pieces: dict[tuple[str, int], bytes], kept: Kept[S]) -> S | None:
    if ("head", 0) not in pieces:
        return None
    try:
        head = msgspec.msgpack.decode(pieces["head", 0], type=Head)
        bodies = {part: [pieces[part, index] for index in range(count)] for part, count in head.pieces.items()}
        state = kept.fresh()
        for name, table in state.tables().items():
            table.restore([msgspec.msgpack.decode(body, type=PageBytes) for body in bodies.get(name, ())])
        state.take_cross(lz4.block.decompress(b"".join(bodies["cross"])))
    except (KeyError, ValueError, lz4.block.LZ4BlockError, msgspec.MsgspecError):
        return None
    return state


def _piece(record: SourceRecord) -> Piece | None:
    try:
        return msgspec.msgpack.decode(record.value or b"", type=Piece)
    except msgspec.MsgspecError:
        return None
