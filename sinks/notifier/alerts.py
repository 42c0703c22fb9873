"""Alerts as they stand in their topics: one that was read, and those that are read once more."""

from collections.abc import Callable

from pydantic import ValidationError

from schemas.errors import KafkaUnavailableError
from schemas.signals import Alert, CloudSignal
from sinks.log_reader import LogReader, Place, Record, Vanished


def alert_in(raw: bytes) -> Alert | None:
    """The alert of a record; None for what this version cannot read."""
    try:
        data = CloudSignal.model_validate_json(raw).data
    except ValidationError:
        return None
    return data if isinstance(data, Alert) else None


class Again:
    """Reads alerts beside who reads on, by one connection that lasts while there is more to read; for one thread."""

    def __init__(self, open_reader: Callable[[], LogReader]) -> None:
        self._open_reader = open_reader
        self._reader: LogReader | None = None
        self._stands: tuple[Place, int] | None = None

    def at(self, place: Place, offset: int) -> Alert | None:
        """The alert that stands at the place; None where none does (any more). Raises: KafkaUnavailableError."""
        try:
            return self._at(place, offset)
        except KafkaUnavailableError:
            self.rest()
            raise

    def _at(self, place: Place, offset: int) -> Alert | None:
        reader = self._there(None)
        low, high = reader.bounds(place)
        if not low <= offset < high:
            return None
        record = next(iter(reader.read_to_end({place: offset})), None)
        return alert_in(record.value) if record is not None and record.offset == offset else None

    def since(self, place: Place, offset: int, *, until: int, most: int) -> tuple[list[tuple[int, Alert]], int]:
        """Of the alerts of [offset, until) by offset what has come by now, at most `most`; and up to where that is.

        Waits for nothing. Raises: KafkaUnavailableError.
        """
        try:
            found, at = self._since(place, offset, until=until, most=most)
        except KafkaUnavailableError:
            self.rest()
            raise
        self._stands = place, at
        return found, min(at, until)

    def _since(self, place: Place, offset: int, *, until: int, most: int) -> tuple[list[tuple[int, Alert]], int]:
        reader = self._there((place, offset))
        found: list[tuple[int, Alert]] = []
        while len(found) < most and offset < until:
            fact = reader.take(wait_sec=0.0)
            if fact is None:
                break
            if isinstance(fact, Vanished):
                offset = max(reader.bounds(place)[0], offset)
                reader.assign({place: offset})
                break
            if isinstance(fact, Record) and fact.offset < until:
                alert = alert_in(fact.value)
                found += [(fact.offset, alert)] if alert is not None else []
            offset = fact.offset + isinstance(fact, Record)
        return found, offset

    def rest(self) -> None:
        """The connection is closed; who reads on opens another."""
        if self._reader is not None:
            self._reader.__exit__()
        self._reader = self._stands = None

    def _there(self, stands: tuple[Place, int] | None) -> LogReader:
        if self._reader is None:
            self._reader = self._open_reader()
        if stands is not None and stands != self._stands:
            self._reader.assign(dict([stands]))
        self._stands = None
        return self._reader
