"""What `internal.rated` still has between two positions of each partition, some messages at a time."""

from collections.abc import Iterator, Mapping

from schemas.errors import KafkaUnavailableError
from sinks.groups import RatedMessage
from sinks.log_reader import LogReader, Record, Vanished
from sinks.patience import Patience
from sinks.rated_log import RATED, rated_message

ROWS_AT_ONCE = 20_000
_WAIT_SEC = 0.2


class Retained:
    """Messages by partition and offset, from `starts` (or where retention begins) up to `ends`; not for two walks.

    Each turn gives what came within a short wait, up to about ROWS_AT_ONCE rows; it may give nothing.
    Raises, while walked: CorruptStateError: a message that rating cannot have written.
    """

    def __init__(
        self, reader: LogReader, patience: Patience, *, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> None:
        self._reader = reader
        self._patience = patience
        self._ends = dict(ends)
        self._from = {partition: starts.get(partition, 0) for partition in ends}

    def __iter__(self) -> Iterator[list[RatedMessage]]:
        """Until every partition is read up to its end."""
        waiting = set()
        for partition, start in self._from.items():
            low, _ = self._patience.until_done(lambda partition=partition: self._reader.bounds((RATED, partition)))  # type: ignore[misc]  # mypy does not infer defaults of lambdas
            self._from[partition] = max(low, start)
            if self._from[partition] < self._ends[partition]:
                waiting.add(partition)
        self._reader.assign({(RATED, partition): self._from[partition] for partition in waiting})
        while waiting:
            self._patience.check()
            yield self._some(waiting)

    def _some(self, waiting: set[int]) -> list[RatedMessage]:
        messages: list[RatedMessage] = []
        rows = 0
        try:
            while waiting and rows < ROWS_AT_ONCE and (fact := self._reader.take(wait_sec=_WAIT_SEC)) is not None:
                self._patience.back()
                end = self._ends[fact.partition]
                if isinstance(fact, Vanished):
                    low, _ = self._reader.bounds((RATED, fact.partition))
                    self._reader.seek((RATED, fact.partition), low)
                    continue
                if isinstance(fact, Record) and fact.offset < end:
                    messages.append(rated_message(fact))
                    rows += messages[-1].rows.num_rows
                if fact.offset + isinstance(fact, Record) >= end:
                    waiting.discard(fact.partition)
        except KafkaUnavailableError as error:
            self._patience.gone(error)
        return sorted(messages, key=lambda message: (message.partition, message.offset))
