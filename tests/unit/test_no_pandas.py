"""Our processes start without what they have no use for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from schemas.no_pandas import refuse_pandas
refuse_pandas()
import pyarrow as pa
pa.array([1, 2])
pa.RecordBatch.from_pylist([{"a": 1}])
sys.exit("pandas" in sys.modules)
"""


def test_arrays_are_made_without_pandas() -> None:
    """Once it is refused, pyarrow makes its arrays without it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0


def test_the_notifier_loads_neither_arrow_nor_the_driver_of_the_store() -> None:
    """It tells people while ClickHouse is away, in 60 MB."""
    heavy = "{'pyarrow', 'numpy', 'clickhouse_connect'}"
    program = f"import sys, sinks.notifier.__main__; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0


def test_a_worker_loads_neither_a_web_client_nor_a_console() -> None:
    """Faust names the one as a type, structlog tries the other; who would make a session is told."""
    program = """
import sys
import streams.__main__ as worker
worker.refuse_unused()
import streams.app
heavy = {"aiohttp.connector", "rich.console", "pygments"}
from aiohttp.client import ClientSession
from schemas.errors import FatalError
try:
    ClientSession()
except FatalError:
    sys.exit(not heavy.isdisjoint(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0
