"""What the detectors of spending say of spenders that a person understands, and of look-alikes that are none."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from streams.anomalies import spikes, strangers
from streams.anomalies.detector import Detector, new_detector
from streams.anomalies.flags import Flag
from streams.anomalies.page import F32, new_page
from streams.anomalies.rules import Rules

DAY = 1440
DAYS = 4
USD_A_MIN = 0.5
STRUCK = 2 * DAY + 300
"""When most of them are struck: Wednesday, five in the morning."""
Change = Callable[[F32], None]


def times(factor: float, start: int, lasts: int) -> Change:
    """So many times as much from a minute on."""

    def change(usd: F32) -> None:
        usd[start : start + lasts] *= np.float32(factor)

    return change


def only(active: Callable[[F32, F32, F32], npt.NDArray[np.bool_]]) -> Change:
    """Spending only where minute, hour and weekday say so."""

    def change(usd: F32) -> None:
        minute = np.arange(len(usd), dtype=np.float32)
        usd[:] = np.where(active(minute, minute // 60 % 24, minute // DAY % 7), usd, 0)

    return change


def grown(factor_an_hour: float, start: int) -> Change:
    """More by this factor each hour."""

    def change(usd: F32) -> None:
        usd[start:] *= (factor_an_hour ** (np.arange(len(usd) - start) / 60)).astype(np.float32)

    return change


def stopped(start: int) -> Change:
    """Nothing from a minute on."""
    return times(0, start, DAYS * DAY)


def step_then_spike(usd: F32) -> None:
    """Five times as much for good, and a day later eight times that for an hour."""
    times(5, 2 * DAY, DAYS * DAY)(usd)
    times(8, 3 * DAY + 600, 60)(usd)


QUIET: dict[str, Change] = {
    "always on": only(lambda minute, _hour, _day: minute >= 0),
    "office hours, Monday morning too": only(lambda _minute, hour, day: (hour >= 9) & (hour < 17) & (day < 5)),
    "a batch job of each night": only(lambda _minute, hour, _day: hour == 2),
    "a call an hour": only(lambda minute, _hour, _day: minute % 60 == 0),
    "a new employee": only(lambda minute, _hour, _day: minute >= 3 * DAY + 720),
    "half as much again at month end": times(1.5, STRUCK, 600),
    "a retry storm of one minute": times(20, STRUCK, 1),
    "half as much for good": times(0.5, STRUCK, DAYS * DAY),
    "eight times next to nothing": lambda usd: (times(0.01, 0, DAYS * DAY)(usd), times(8, STRUCK, 60)(usd))[-1],
}
STRANGE: dict[str, Change] = {
    "eight times": times(8, STRUCK, 60),
    "two dear minutes": times(20, STRUCK, 2),
    "step, then spike": step_then_spike,
    "attack": times(10, STRUCK, 360),
    "leak": grown(1.03, 2 * DAY),
    "silence": stopped(3 * DAY),
}
NAMES = [*QUIET, *STRANGE, *(f"colleague {place}" for place in range(3)), *(f"holiday {place}" for place in range(4))]


def spending() -> F32:
    """USD per minute of each of `NAMES`."""
    dice = np.random.default_rng(1)
    usd = (USD_A_MIN * np.exp(dice.normal(0, 0.3, (len(NAMES), DAYS * DAY)))).astype(np.float32)
    for place, name in enumerate(NAMES):
        change = {**QUIET, **STRANGE}.get(name, stopped(3 * DAY) if name.startswith("holiday") else None)
        if change is not None:
            change(usd[place])
    return usd


def parents() -> list[int]:
    """Each is alone, but "silence" has three colleagues, and the four of a holiday are together."""
    alone, with_colleagues = list(range(len(NAMES))), NAMES.index("silence")
    return [
        with_colleagues if name.startswith("colleague") else NAMES.index("holiday 0") if "holiday" in name else place
        for place, name in zip(alone, NAMES, strict=True)
    ]


def watched(usd: F32) -> tuple[Detector, list[Flag]]:
    """The detector after all minutes, and its flags."""
    detector = new_detector(np.array(parents()))
    flags = [flag for at, now in enumerate(np.ascontiguousarray(usd.T)) for flag in detector.minute(now, at_min=at + 1)]
    return detector, flags


Told = dict[str, list[Flag]]


@pytest.fixture(scope="module")
def week() -> tuple[Detector, Told]:
    """Four days of all of them together."""
    detector, flags = watched(spending())
    return detector, {name: [flag for flag in flags if flag.row == place] for place, name in enumerate(NAMES)}


@pytest.mark.parametrize("name", [*QUIET, "colleague 0", "holiday 0"])
def test_look_alikes_are_not_told(week: tuple[Detector, Told], name: str) -> None:
    """What only looks strange has no flag in four days."""
    assert week[1][name] == []


def test_eight_times_the_usual_is_told_within_three_minutes_and_once(week: tuple[Detector, Told]) -> None:
    """A spike of an hour is one flag, with what was seen and expected, since when, and a chance below one."""
    (flag,) = week[1]["eight times"]
    assert (flag.kind, flag.window_min) == ("spike", 3)
    assert flag.at_min - STRUCK <= 3
    assert STRUCK - 3 <= flag.since_min <= flag.at_min
    assert flag.expected_usd_per_hour == pytest.approx(60 * USD_A_MIN, rel=0.3)
    assert flag.observed_usd_per_hour > 2 * flag.expected_usd_per_hour
    assert flag.score >= flag.threshold
    assert flag.p_value is not None
    assert 0 < flag.p_value < 0.2


def test_two_dear_minutes_are_a_spike(week: tuple[Detector, Told]) -> None:
    """One expensive call is none (above), two minutes of them are."""
    assert [flag.kind for flag in week[1]["two dear minutes"]] == ["spike"]


def test_a_step_is_told_once_and_then_normal(week: tuple[Detector, Told]) -> None:
    """Five times as much for good: one spike; a day later it is what is expected, and eight times that is told."""
    told = week[1]["step, then spike"]
    assert [(flag.kind, flag.at_min // DAY) for flag in told] == [("spike", 2), ("spike", 3)]
    assert told[1].expected_usd_per_hour == pytest.approx(5 * 60 * USD_A_MIN, rel=0.5)


def test_an_attack_does_not_become_normal(week: tuple[Detector, Told]) -> None:
    """Six hours of ten times the usual leave what is expected as it was."""
    page, row = week[0].page, NAMES.index("attack")
    assert np.exp(page.level[row]) / 3 == pytest.approx(USD_A_MIN, rel=0.3)
    assert np.exp(page.hours[8, row]) / 3 == pytest.approx(USD_A_MIN, rel=0.3)
    assert week[1]["attack"][0].at_min - STRUCK <= 3


def test_a_leak_is_told_within_twelve_hours_of_doubling(week: tuple[Detector, Told]) -> None:
    """3 % more each hour is told as a leak, with the hour in which it began to pile up."""
    leak = next(flag for flag in week[1]["leak"] if flag.kind == "leak")
    assert 0 < leak.at_min - 2 * DAY <= (24 + 12) * 60
    assert leak.since_min >= 2 * DAY - 12 * 60
    assert leak.observed_usd_per_hour > leak.expected_usd_per_hour


def test_silence_is_told_within_an_hour_and_once(week: tuple[Detector, Told]) -> None:
    """One of four steady spenders stops while the others go on."""
    (flag,) = week[1]["silence"]
    assert (flag.kind, flag.observed_usd_per_hour) == ("silence", 0.0)
    assert flag.at_min - 3 * DAY <= 60
    assert flag.since_min == pytest.approx(3 * DAY, abs=5)
    assert flag.expected_usd_per_hour == pytest.approx(60 * USD_A_MIN, rel=0.3)


def test_the_beginning_of_an_anomaly_does_not_hide_the_rest() -> None:
    """While eight times the usual comes into the window, the margin grows from minute to minute."""
    page, flat, margins = new_page(1), np.zeros(1, np.float32), []
    for at_min in range(1, 404):
        spikes.add_minute(page, np.full(1, 4.0 if at_min > 400 else 0.5, np.float32), at_min=at_min)
        seen = spikes.judge(page, flat, Rules(), at_min=at_min)
        spikes.learn(page, seen, Rules(), at_min=at_min)
        margins.append(float(seen.margin[0]))
    assert margins[-4] == pytest.approx(0, abs=0.1)
    assert margins[-4] < margins[-3] < margins[-2] < margins[-1]


def test_no_flag_of_a_minute_depends_on_later_ones(week: tuple[Detector, Told]) -> None:
    """Cut off within an hour when spikes, a leak and a silence were told: the same flags up to there."""
    cut = 3 * DAY + 640
    before = [flag for flags in week[1].values() for flag in flags if flag.at_min <= cut]
    assert {flag.kind for flag in before} == {"spike", "leak", "silence"}
    assert sorted(watched(spending()[:, :cut])[1], key=repr) == sorted(before, key=repr)


def strangers_of(minutes: int) -> list[Flag]:
    """What is told of twenty keys that now and then use another model, or another region, of so many minutes."""
    dice = np.random.default_rng(2)
    page, rules = new_page(20), Rules()
    page.active_minutes[:] = rules.least_active_minutes
    drawn = [(dice.integers(0, 20, 30), *dice.geometric(0.6, (2, 30)), dice.random(30)) for _ in range(200)]
    return [
        flag
        for at_min, (rows, models, regions, usd) in enumerate(drawn[:minutes], start=1)
        for flag in strangers.add_minute(
            page,
            rows,
            models.astype(np.uint64),
            regions.astype(np.uint64),
            usd.astype(np.float32),
            rules,
            at_min=at_min,
        )
    ]


def test_no_stolen_key_is_told_for_what_comes_later() -> None:
    """Cut off at any tenth minute: the same flags up to there."""
    told = strangers_of(200)
    assert len(told) >= 10
    for cut in range(10, 200, 10):
        assert strangers_of(cut) == [flag for flag in told if flag.at_min <= cut]


def test_a_stolen_key_is_told_and_a_migration_is_not() -> None:
    """A model and a region that are both new: told when it costs enough, then known. One of the two: never told."""
    page, rules = new_page(1), Rules()
    page.active_minutes[0] = rules.least_active_minutes

    def minute(at_min: int, model: int, region: int, usd: float) -> list[Flag]:
        codes = (np.array([model], np.uint64), np.array([region], np.uint64))
        return strangers.add_minute(
            page, np.zeros(1, np.int64), *codes, np.array([usd], np.float32), rules, at_min=at_min
        )

    assert minute(101, 1, 1, 9.0) == []
    assert minute(102, 2, 1, 9.0) == []
    assert minute(103, 1, 2, 9.0) == []
    assert minute(104, 5, 5, 0.2) == []
    (flag,) = minute(106, 5, 5, 0.2)
    assert (flag.kind, flag.since_min) == ("stranger", 104)
    assert flag.observed_usd_per_hour == pytest.approx(2.4)
    assert minute(107, 5, 5, 9.0) == []


def test_a_key_takes_bounded_memory() -> None:
    """Whatever it spends: below 512 bytes."""
    assert new_page(1000).bytes_per_row() < 512
