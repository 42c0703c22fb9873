"""What the sink and the notifier count of themselves, once for each insert and delivery."""

from schemas.numbers import Family, Instrument

INSERT = Instrument("burnline_insert_seconds", "histogram", "time of one insert into ClickHouse", ("table",))
ROWS = Instrument("burnline_inserted_rows_total", "counter", "rows of inserts that ClickHouse took", ("table",))
FAILED = Instrument("burnline_inserts_failed_total", "counter", "inserts whose outcome is not known", ("table",))
DELIVERY = Instrument("burnline_delivery_seconds", "histogram", "time of one attempt to tell a route", ("destination",))
DELIVERIES = Instrument("burnline_deliveries_total", "counter", "attempts to tell a route", ("destination", "outcome"))
SINK = (INSERT, ROWS, FAILED)
NOTIFIER = (DELIVERY, DELIVERIES)


def sink_families() -> list[Family]:
    """All numbers of the sink as they are now."""
    return [one.family() for one in SINK]


def notifier_families() -> list[Family]:
    """All numbers of the notifier as they are now."""
    return [one.family() for one in NOTIFIER]
