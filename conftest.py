"""Where the tests find the real engines (a fixture that is not asked for starts nothing), and how laws are tried.

No law has a time limit: what a case takes is the machine's business. `BURNLINE_LAW_EXAMPLES=1000 make test-pure` tries
each law on more cases than the few that every run has the time for.
"""

import os
from importlib.util import find_spec

from hypothesis import HealthCheck, settings

pytest_plugins = [name for name in ("tests.stack", "tests.stack_clickhouse") if find_spec(name) is not None]

settings.register_profile(
    "laws",
    deadline=None,
    max_examples=int(os.environ.get("BURNLINE_LAW_EXAMPLES", "40")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("laws")
