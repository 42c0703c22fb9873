"""The shape of the day: how busy a person or a service is in each of its 288 slots of five minutes. Pure.

The company's clock is fixed to the end of the day: the day always ends in the middle of its working hours, at 15:30 by
the company's clock (16:30 in Europe, 10:30 at the US coast), whatever the real time is.
"""

from producers.simulator.company import EUROPE

SLOTS = 288
SLOT_US = 300_000_000
DAY_US = SLOTS * SLOT_US
_END_MINUTE = 15 * 60 + 30
_OFFSET_MINUTES = {EUROPE: 60, "us": -300}
_OFFICE = (
    0, 0, 0, 0, 0, 0, 0, 250, 700, 950, 1000, 1000, 550, 800, 1000, 1000, 950, 700, 250, 0, 0, 0, 0, 0,
)  # fmt: skip
"""How busy an office is in each hour of its own clock, in per mille; lunch is a dip."""


def clock_minute(slot: int) -> int:
    """The minute of the company's clock at which a slot begins."""
    return (_END_MINUTE + slot * 5) % 1440


def office(slot: int, zone: str) -> int:
    """How busy people of a zone are in a slot, in per mille; it changes smoothly from hour to hour."""
    minute = (clock_minute(slot) + _OFFSET_MINUTES[zone]) % 1440
    hour, past = divmod(minute, 60)
    return (_OFFICE[hour] * (60 - past) + _OFFICE[(hour + 1) % 24] * past) // 60


def always(slot: int) -> int:
    """How busy a service for customers is: never still, busiest when both coasts are awake, in per mille."""
    return 450 + (office(slot, EUROPE) + office(slot, "us")) * 275 // 1000


def night(slot: int) -> int:
    """How busy a night batch is: from 01:00 to 04:30 of the company's clock, in per mille."""
    return 1000 if 60 <= clock_minute(slot) < 270 else 0
