"""Our processes start without pandas."""

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
