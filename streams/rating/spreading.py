"""A charge over the days of its service period, exactly. Pure.

Laws
1. The shares of all days add up to the amount, to the last pico-USD; no two differ by more than one pico-USD.
2. A refund of the same amount over the same days has the same shares with the other sign: together they are nothing.
3. A day is due from its first instant in the charge's time zone on; what is due never falls while time goes on.
4. Its share stands at the day's noon there: that is the same date in every zone less than 12 hours away, so a budget's
   period holds the days that a person expects, whatever the changes of the clocks.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from schemas.money import PICO_PER_MICRO
from streams.rating.groups import Ints

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ServiceDays:
    """A service period: `days` local days of a time zone, from `first` on."""

    first: date
    days: int
    zone: str

    @property
    def until(self) -> date:
        """The day after its last."""
        return self.first + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of some days, exact: `micro` x 10**6 + `pico` pico-USD each; `noon_us` says where each stands."""

    micro: Ints
    pico: Ints
    noon_us: Ints


def shares(amount_pico_usd: int, service: ServiceDays, *, start: int, stop: int) -> Shares:
    """The shares of the days numbered [start, stop) of the service period."""
    sign, first = -1 if amount_pico_usd < 0 else 1, service.first.toordinal()
    whole, rest = divmod(abs(amount_pico_usd), service.days)
    numbers = np.arange(start, stop + 1, dtype=np.int64)
    more = np.diff(numbers * rest // service.days)  # rest < days, so this is small; it telescopes to `rest`
    micro, pico = divmod(whole, PICO_PER_MICRO)
    return Shares(
        np.full(stop - start, sign * micro, np.int64),
        sign * (pico + more),
        np.array([noon_us(first + number, service.zone) for number in range(start, stop)], np.int64),
    )


def days_due(service: ServiceDays, *, at_us: int) -> int:
    """How many days of the period have begun at the instant: 0 before it, all from its last day on."""
    return min(max(_today(at_us // 1_000_000, service.zone) - service.first.toordinal() + 1, 0), service.days)


def begins_at(day: date, zone: str) -> datetime:
    """The first instant of a local date, in UTC."""
    return _at(day.toordinal(), 0, ZoneInfo(zone))


@lru_cache(maxsize=65_536)
def noon_us(day: int, zone: str) -> int:
    """Noon of a local date (its ordinal), microseconds since 1970."""
    return (_at(day, 12, ZoneInfo(zone)) - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4096)
def _today(at_sec: int, zone: str) -> int:
    """The ordinal of the last local date that has begun; where clocks go back over a midnight, the later date."""
    where, now = ZoneInfo(zone), _EPOCH + timedelta(seconds=at_sec)
    day = now.astimezone(where).date().toordinal()
    return day + 1 if _at(day + 1, 0, where) <= now else day


def _at(day: int, hour: int, where: ZoneInfo) -> datetime:
    """The first instant of that hour of a local date, in UTC."""
    return (datetime.fromordinal(day) + timedelta(hours=hour)).replace(tzinfo=where).astimezone(UTC)
