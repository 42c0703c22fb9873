"""Alerts as they stand in their topics: one that was read, and one at a place."""

from collections.abc import Callable

from pydantic import ValidationError

from schemas.signals import Alert, CloudSignal
from sinks.log_reader import LogReader, Place


def alert_in(raw: bytes) -> Alert | None:
    """The alert of a record; None for what this version cannot read."""
    try:
        data = CloudSignal.model_validate_json(raw).data
    except ValidationError:
        return None
    return data if isinstance(data, Alert) else None


def alert_at(open_reader: Callable[[], LogReader], place: Place, offset: int) -> Alert | None:
    """The alert that stands at the place; None where none does (any more). Raises: KafkaUnavailableError."""
    with open_reader() as reader:
        low, high = reader.bounds(place)
        if not low <= offset < high:
            return None
        for record in reader.read_to_end({place: offset}):
            return alert_in(record.value) if record.offset == offset else None
    return None


def alerts_from(
    open_reader: Callable[[], LogReader], place: Place, offset: int, *, until: int, most: int
) -> tuple[list[tuple[int, Alert]], int]:
    """The alerts of [offset, until) by offset, or of its first `most` records; and up to where that is.

    Raises: KafkaUnavailableError.
    """
    found: list[tuple[int, Alert]] = []
    with open_reader() as reader:
        low, _ = reader.bounds(place)
        if low >= until:
            return [], until
        for seen, record in enumerate(reader.read_to_end({place: max(low, offset)})):
            if record.offset >= until:
                break
            if seen >= most:
                return found, record.offset
            alert = alert_in(record.value)
            found += [(record.offset, alert)] if alert is not None else []
    return found, until
