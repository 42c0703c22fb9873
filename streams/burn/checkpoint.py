"""Where burn keeps its state: which topic, and which columns older layouts do not have."""

from collections.abc import Mapping

from streams.burn.days import new_days
from streams.burn.hours import new_hours
from streams.burn.period_table import VARYING
from streams.burn.state import BurnState
from streams.kept import Kept

TOPIC = "internal.checkpoints"
_ESTIMATES = frozenset(
    {"estimated_high", "estimated_low", "crossed_estimated", "need_estimated_high", "need_estimated_low"}
)
_VARYING = frozenset(VARYING)
_HOURS = {"hours": frozenset(new_hours().spec)}
_DAYS = {"days": frozenset(new_days().spec), **_HOURS}
OLDER: tuple[Mapping[str, frozenset[str]], ...] = (
    {"periods": _VARYING | _ESTIMATES, **_DAYS},
    {"periods": _VARYING | _ESTIMATES | {"waited"}, **_DAYS},
    {"periods": _VARYING, **_DAYS},
    _DAYS,
    _HOURS,
)
"""Columns, per table, that older layouts do not have, all of a table that they do not have; pages of those are read,
with zeros there: nothing was estimated before ceilings were summed, no limit was other than its budget's, no budget
was rolling, and no hours were kept: forecasts begin anew with such a checkpoint."""
KEPT = Kept(TOPIC, BurnState, older=OLDER)
