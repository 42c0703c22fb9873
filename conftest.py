"""Where the tests find the real engines (a fixture that is not asked for starts nothing), and how laws are tried.

Of several workers none may begin a long story when the others are done: files with real engines come first, those that
take longest before all, and what is pure fills the gaps. Alone, a process begins with what is quick to fail.
No law has a time limit: what a case takes is the machine's business. `BURNLINE_LAW_EXAMPLES=1000 make test-pure` tries
each law on more cases than the few that every run has the time for.
"""

import os
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    name for name in ("tests.stack", "tests.stack_clickhouse", "tests.sink_world") if find_spec(name) is not None
]

settings.register_profile(
    "laws",
    deadline=None,
    max_examples=int(os.environ.get("BURNLINE_LAW_EXAMPLES", "40")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("laws")

LONGEST = (
    "test_short", "test_stack_life", "test_whole_way", "test_sink_rated", "test_bad_input", "test_sink_adjustments",
    "test_sink_openings", "test_stack_external", "test_lanes_faults", "test_lanes_start", "test_sink_fencing",
    "test_sink_reconcile", "test_sink_store", "test_lanes_seat", "test_kafka_warm",
)  # fmt: skip
"""Files that take most seconds, the longest first."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files stand in the order in which workers take them (`--no-loadscope-reorder` keeps it)."""
    if not hasattr(config, "workerinput"):
        return
    real = {item.path for item in items if item.get_closest_marker("real")}

    def turn(item: pytest.Item) -> tuple[int, bool]:
        name = item.path.stem
        return LONGEST.index(name) if name in LONGEST else len(LONGEST), item.path not in real

    items.sort(key=turn)
