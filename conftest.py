"""Where the tests find the real engines; a fixture that is not asked for starts nothing."""

from importlib.util import find_spec

pytest_plugins = [name for name in ("tests.stack", "tests.stack_clickhouse") if find_spec(name) is not None]
