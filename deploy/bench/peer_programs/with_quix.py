"""The job for Quix Streams: expand, group by, a stateful function; state in RocksDB with its changelog, as by default.

Source: https://quix.io/docs/quix-streams/ (stateful processing, group_by; 2026-11).
"""

from typing import Any
from uuid import uuid4

from quixstreams import Application, State

from deploy.bench.peer_programs.job import asked, new_state, rolled, spends_of

RUN = asked()
_taken = 0


def _spends(event: dict[str, Any]) -> list[dict[str, Any]]:
    global _taken  # noqa: PLW0603  a count of this process
    if _taken == 0:
        RUN.begin()
    if _taken >= RUN.events:
        return []
    _taken += 1
    return [{"key": key, "at_us": at_us, "pico": pico} for key, at_us, pico in spends_of(event, RUN.rates)]


def _rolled(spend: dict[str, Any], state: State) -> None:
    kept = state.get("windows") or new_state()
    five_min, hour = rolled(kept, spend["at_us"], spend["pico"])
    state.set("windows", kept)
    RUN.said(spend["key"], spend["at_us"], five_min, hour)


def main() -> None:
    """Runs until all results are there."""
    app = Application(
        broker_address=RUN.bootstrap_servers,
        consumer_group=f"peers-{uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        state_dir=RUN.folder,
        loglevel="ERROR",
    )
    frame = app.dataframe(app.topic(RUN.topic, value_deserializer="json"))
    frame.apply(_spends, expand=True).group_by("key").update(_rolled, stateful=True)
    app.run()


if __name__ == "__main__":
    main()
