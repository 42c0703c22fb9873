"""How long the broker holds a fetch of aiokafka that finds nothing: long where it asks for all there is.

A fetch is answered as soon as there is anything for it. But aiokafka has one on its way to a broker at a time, so a
partition that is left out of it (its lane was full, it has no position yet) waits until it is over.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer

from streams.settings import FETCH_MAX_WAIT_MS, IDLE_FETCH_WAIT_MS


def wait_long_where_all_is_asked(consumer: AIOKafkaConsumer) -> None:
    """From now on this started consumer's fetches wait `IDLE_FETCH_WAIT_MS` where they leave no partition out."""
    fetcher = consumer._fetcher  # noqa: SLF001  aiokafka has no door for it
    actions = fetcher._get_actions_per_node  # noqa: SLF001  as above

    def waiting(assignment: Any) -> Any:  # noqa: ANN401  aiokafka has no types
        fetcher._fetch_max_wait_ms = fetch_wait_ms(fetcher._records, assignment)  # noqa: SLF001  as above
        return actions(assignment)

    fetcher._get_actions_per_node = waiting  # noqa: SLF001  as above


def fetch_wait_ms(fetched: Any, assignment: Any) -> int:  # noqa: ANN401  aiokafka has no types
    """How long the next fetches may be held; `fetched` is what nobody has taken yet."""
    states = [assignment.state_value(partition) for partition in assignment.tps]
    all_is_asked = not fetched and all(state.has_valid_position and not state.paused for state in states)
    return IDLE_FETCH_WAIT_MS if all_is_asked else FETCH_MAX_WAIT_MS
