"""Where burn keeps its state: which topic, and which columns older layouts do not have."""

from collections.abc import Mapping

from streams.burn.days import new_days
from streams.burn.hours import new_hours
from streams.burn.period_table import VARYING
from streams.burn.shapes import new_peers, new_shapes
from streams.burn.spenders import new_parents, new_spenders
from streams.burn.state import BurnState
from streams.kept import Kept

TOPIC = "internal.checkpoints"
_ESTIMATES = frozenset(
    {"estimated_high", "estimated_low", "crossed_estimated", "need_estimated_high", "need_estimated_low"}
)
_VARYING = frozenset(VARYING)
_HOURS = {"hours": frozenset(new_hours().spec)}
_WATCHED = {"spenders": frozenset(new_spenders().spec), "parents": frozenset(new_parents().spec)}
_SHAPES = {"shapes": frozenset(new_shapes().spec), "peers": frozenset(new_peers().spec)}
_WATCHED |= _SHAPES
_HOURS |= _WATCHED
_DAYS = {"days": frozenset(new_days().spec), **_HOURS}
OLDER: Mapping[str, Mapping[str, frozenset[str]]] = {
    "03c397e01778aad5": {"periods": _VARYING | _ESTIMATES, **_DAYS},
    "a956b0fe55fb70f7": {"periods": _VARYING | _ESTIMATES | {"waited"}, **_DAYS},
    "58e047e63bbf0acf": {"periods": _VARYING, **_DAYS},
    "2a904a947bfd85a3": _DAYS,
    "a3d4070f1390ade3": _HOURS,
    "f71db9c77d39d079": _WATCHED,
    "3739e2f05b61fd9e": _SHAPES,
    "bb982a6d075c18c1": {"hours": frozenset({"likely_end", "of_period_us"})},
}
"""By the name of an older layout (those of before spenders have a history of quarter hours per entity, which is not
read any more): columns, per table, that it does not have, all of a table that it does not have. Its pages are read,
with zeros there: nothing was estimated before ceilings were summed, no limit was other than its budget's, no budget was
rolling, no hours were kept, nobody was watched and every week was flat: forecasts, what is usual and the shapes of
weeks are learnt anew after such a checkpoint."""
KEPT = Kept(TOPIC, BurnState, layouts=frozenset(OLDER))
