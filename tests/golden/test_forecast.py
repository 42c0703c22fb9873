"""Forecasts of written series stay what they were: a changed constant or formula shows here.

After a change that is meant: `python -m tests.golden.test_forecast` writes them anew; look at each difference.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.forecast import History, forecast

FILE = Path(__file__).parent / "forecast.json"
START = datetime(2026, 11, 2, tzinfo=UTC)
_HOUR = np.arange(24 * 28)
_OFFICE = np.where((_HOUR % 24 >= 8) & (_HOUR % 24 < 18), 10.0, 0.5)
SERIES: dict[str, NDArray[np.float64]] = {
    "flat": np.full(len(_HOUR), 10.0),
    "office": _OFFICE,
    "weekdays": np.where(_HOUR // 24 % 7 < 5, _OFFICE, 0.2),
    "growth": np.array([10.0 * 1.03 ** (hour // 24) for hour in range(len(_HOUR))]),
    "sawtooth": 1.0 + (_HOUR * 7 % 13).astype(np.float64),
    "sparse": np.where(_HOUR % 50 == 0, 100.0, 0.0),
}
HISTORY_HOURS = (3, 30, 24 * 9 + 7, 24 * 25 + 1)


def told(name: str, hours: int) -> dict[str, Any]:
    """What is forecast for the end of the week after so many hours of a series, with a limit of 1,500."""
    now = START + timedelta(hours=hours, minutes=20)
    end = START + timedelta(days=7 * (1 + hours // 168))
    amounts = SERIES[name][:hours]
    spent = Decimal(str(round(float(amounts[hours // 168 * 168 :].sum()), 6)))
    found = forecast(
        History(start=START, bucket_sec=3600, amounts=amounts),
        now=now,
        period_end=end,
        spent=spent,
        limit=Decimal(1500),
    )
    assert found is not None
    dates = {name: getattr(found, name) for name in ("earliest", "median", "latest")}
    return {
        "spent": str(spent),
        **{name: float(getattr(found, name)) for name in ("p10", "p50", "p90")},
        "reaches_limit_ratio": found.reaches_limit_ratio,
        **{name: None if at is None else (at - START).total_seconds() / 3600 for name, at in dates.items()},
    }


@pytest.mark.parametrize("hours", HISTORY_HOURS)
@pytest.mark.parametrize("name", SERIES)
def test_a_forecast_stays_what_it_was(name: str, hours: int) -> None:
    """Quantiles, chance and dates (hours from the start) are those of the file."""
    expected = json.loads(FILE.read_text())[f"{name} after {hours} h"]
    found = told(name, hours)
    assert found.keys() == expected.keys()
    assert found == {key: value if isinstance(value, str | None) else pytest.approx(value, rel=1e-6, abs=1e-6)
                     for key, value in expected.items()}  # fmt: skip


if __name__ == "__main__":
    written = {f"{name} after {hours} h": told(name, hours) for name in SERIES for hours in HISTORY_HOURS}
    FILE.write_text(json.dumps(written, indent=1) + "\n")
