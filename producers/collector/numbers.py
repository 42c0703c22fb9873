"""What the collector counts of itself, once for each request."""

from schemas.numbers import Family, Instrument

REQUESTS = Instrument("burnline_collector_requests_total", "counter", "requests that were answered", ("path", "status"))
EVENTS = Instrument("burnline_collector_events_total", "counter", "events by what became of them", ("became",))
DELIVERY = Instrument(
    "burnline_collector_delivery_seconds", "histogram", "time until Kafka acknowledged the events of a request"
)
ALL = (REQUESTS, EVENTS, DELIVERY)
OTHER = "other"


def families() -> list[Family]:
    """All numbers of the collector as they are now."""
    return [one.family() for one in ALL]
