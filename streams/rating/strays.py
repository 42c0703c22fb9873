"""Which events stand in a partition where their copies do not belong, by the producers' rule (`schemas/keys.py`).

Not the record's key is asked but the event: whoever sends it again by the rule sends it to its own partition, and
rating of that partition does not know what this one counted. So an event astray is always looked up by the sink, which
also remembers the hours that have one, and looks up everything that comes for them.
"""

from functools import lru_cache

import numpy as np

from schemas.keys import partition_for
from schemas.topics import BY_NAME
from streams.rating.columns import Columns
from streams.rating.costs import Bools
from streams.rating.groups import Codes, Ints

_PARTITIONS = BY_NAME["usage.events"].partitions


def strays(columns: Columns, partition: int) -> Bools:
    """The rows whose key belongs to another partition than this one; keys are made of what was sent."""
    home = _homes(columns.codes("org"))
    for name in ("sent_team", "sent_credential"):
        codes = columns.codes(name)
        if codes.values:
            home = np.where(codes.present, _homes(codes), home)
    astray: Bools = home != partition
    return astray


def _homes(codes: Codes) -> Ints:
    """The partition of each row's name; of a row without one, anything."""
    homes: Ints = np.array([_home(name) for name in codes.values], np.int64)[codes.codes]
    return homes


@lru_cache(maxsize=65_536)
def _home(key: str) -> int:
    return partition_for(key.encode(), _PARTITIONS)
