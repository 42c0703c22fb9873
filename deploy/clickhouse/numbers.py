"""What the storage process counts of itself, once for each statement."""

from collections.abc import Mapping

from schemas.numbers import Family, Instrument, Sample

STATEMENT = Instrument(
    "burnline_statement_seconds", "histogram", "from a statement's place among the running ones to its end", ("role",)
)
COUNTS = "burnline_statements_total"
RUNNING = "burnline_statements_running"
NAMES = (STATEMENT.name, COUNTS, RUNNING)


def families(tally: Mapping[str, int]) -> list[Family]:
    """All numbers of the storage process, `tally` among them: queries, inserts and failed ones so far, and running."""
    counts = tuple(Sample(tally[name], {"kind": name}) for name in ("queries", "inserts", "failed"))
    running = (Sample(tally["running"], {}),)
    return [
        STATEMENT.family(),
        Family(COUNTS, "counter", "statements that began, by kind, and those that failed", counts),
        Family(RUNNING, "gauge", "statements that run now", running),
    ]
