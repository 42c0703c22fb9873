"""What a budget will have spent at the end of its period, and when it is used up, as P10, P50 and P90. Pure.

    history = History(start=..., bucket_sec=900, amounts=amounts)      # up to now, also before this period
    found = forecast(history, now=now, period_end=end, spent=spent, limit=limit)     # None: nothing is known yet

`history.py` what is known; `shape.py` the hours of the week; `analogs.py` what followed moments like this one;
`prior.py` what may follow where the past is short; `remaining.py` both as one distribution; `forecast.py` the answer;
`scoring.py` how good it is. docs/forecast.md says it in words, with the figures.

Laws
1. Nothing after `now` is read: what was forecast at a time never changes by what came later.
2. spent <= P10 <= P50 <= P90, and no exhaustion comes before `now`; an earlier one is likelier spend, not less.
3. Without a bucket of positive spend there is no forecast.
4. The unit does not matter: ten times the history, the spend and the limit give ten times the forecast.
"""

from streams.forecast.forecast import Forecast, Likely, forecast, likely
from streams.forecast.history import History

__all__ = ["Forecast", "History", "Likely", "forecast", "likely"]
