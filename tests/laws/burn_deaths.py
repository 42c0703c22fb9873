"""Burn dies and recovers at random over a recorded log; and logs as files, for another process to run again."""

import base64
import hashlib
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs

from streams.burn.stage import BurnLane
from streams.checkpoints import digest
from streams.ports import Output, SourceBatch, SourceRecord
from tests.scenarios.burn_log import MemoryReader, PolicyHistory, new_lane, public, recovered, run


@dataclass(frozen=True)
class Recorded:
    """A log of one partition of `internal.deltas`, and the policy changes that it names by offset."""

    changes: Sequence[Mapping[str, Any]]
    records: Sequence[SourceRecord]

    def policies(self) -> PolicyHistory:
        """The policy log."""
        return PolicyHistory(self.changes)


def run_plainly(log: Recorded, *, per_batch: int = 1) -> tuple[list[Output], str]:
    """The outputs of a lane that nobody hurts, and its last state."""
    lane = new_lane(log.policies())
    return run(lane, log.records, per_batch=per_batch), digest(lane.state)


def run_with_kills(log: Recorded, dice: random.Random) -> tuple[list[Output], str]:
    """The outputs that are seen and the last state, where the worker dies at random and some steps are never committed.

    A step whose transaction was aborted leaves neither outputs nor checkpoint records. Each step writes one page, so
    rounds are long and pages change while they wait; now and then a whole round is written, as at a graceful stop.
    """
    records, reader, seen, done = log.records, MemoryReader(), list[Output](), 0

    def next_life() -> tuple[BurnLane, int]:
        return recovered(log.policies(), reader, next_offset=done, step_bytes=dice.choice([1, 1, 10**5]))

    lane, position = next_life()
    while done < len(records):
        if position < done:
            run(lane, records[position:done], per_batch=dice.randrange(1, 40))
            position = done
        size = dice.randrange(1, 9)
        result = lane.step(SourceBatch("internal.deltas", 0, records[done : done + size]))
        committed = dice.random() > 0.05
        if committed:
            reader.keep(result.outputs)
            seen += result.outputs
            done = position = min(done + size, len(records))
        if not committed or dice.random() < 0.12:
            if committed and dice.random() < 0.3:
                reader.keep(lane.checkpoint())
            if reader.records and dice.random() < 0.3:
                torn = dice.randrange(len(reader.records))
                reader.records[torn] = structs.replace(reader.records[torn], value=b"torn")
            lane, position = next_life()
    run(lane, records[position:])
    return seen, digest(lane.state)


def fingerprint(outputs: Sequence[Output], last_state: str) -> str:
    """A hash over all that was said, to the byte, and the last state."""
    return hashlib.blake2b(repr((public(outputs), last_state)).encode()).hexdigest()[:32]


def write_logs(path: Path, logs: Sequence[Recorded]) -> None:
    """The logs are in the file."""
    path.write_text(json.dumps([{"changes": log.changes, "records": [*map(_to_json, log.records)]} for log in logs]))


def read_logs(path: Path) -> list[Recorded]:
    """The logs in the file."""
    return [Recorded(log["changes"], [*map(_from_json, log["records"])]) for log in json.loads(path.read_text())]


def _to_json(record: SourceRecord) -> list[Any]:
    value = None if record.value is None else base64.b64encode(record.value).decode()
    return [record.offset, record.append_time_us, value, [[name, raw.decode()] for name, raw in record.headers]]


def _from_json(fields: list[Any]) -> SourceRecord:
    offset, append_time_us, value, headers = fields
    raw = None if value is None else base64.b64decode(value)
    return SourceRecord(offset, append_time_us, None, raw, [(name, text.encode()) for name, text in headers])


def main() -> None:
    """A line per log of the file named first: its fingerprint after a life with deaths, seeded by its number."""
    for number, log in enumerate(read_logs(Path(sys.argv[1]))):
        print(fingerprint(*run_with_kills(log, random.Random(number))))  # noqa: S311, T201  repeatable; for the parent


if __name__ == "__main__":
    main()
