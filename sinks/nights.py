"""When the nightly reconciling is due. Pure."""

from datetime import datetime, timedelta


def next_night(after: datetime, *, hour_utc: int) -> datetime:
    """The first full hour `hour_utc` of UTC that lies after the moment; `after` is UTC."""
    night = after.replace(hour=hour_utc, minute=0, second=0, microsecond=0)
    return night if night > after else night + timedelta(days=1)
