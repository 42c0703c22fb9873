"""The job for Faust as it comes: an agent and a table with its changelog, which is the only way to keep state there.

Faust's own hopping windows would write 31 + 25 changelog records for each of an event's entities instead of one.
Source: https://faust-streaming.github.io/faust/userguide/tables.html (2026-11).
"""

from typing import Any
from uuid import uuid4

import faust

from deploy.bench.peer_programs.job import asked, new_state, rolled, spends_of

RUN = asked()
app = faust.App(
    f"peers-{uuid4().hex[:8]}",
    broker=f"kafka://{RUN.bootstrap_servers}",
    value_serializer="json",
    store="memory://",
    topic_partitions=1,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    datadir=RUN.folder,
)
windows = app.Table("windows", default=new_state, partitions=1)


@app.agent(app.topic(RUN.topic, partitions=1))  # type: ignore[untyped-decorator]  # Faust has no types
async def roll(events: Any) -> None:  # noqa: ANN401  Faust has no types
    """Each event's spends are in the table."""
    taken = 0
    async for event in events:
        if taken == 0:
            RUN.begin()
        if taken >= RUN.events:
            continue
        taken += 1
        for key, at_us, pico in spends_of(event, RUN.rates):
            kept = windows[key]
            five_min, hour = rolled(kept, at_us, pico)
            windows[key] = kept
            RUN.said(key, at_us, five_min, hour)


if __name__ == "__main__":
    app.main()
