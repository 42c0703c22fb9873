"""Who is too new to have a past is judged by its peers: what is told of whom, and look-alikes that are none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.anomalies.detector import new_detector
from streams.anomalies.flags import Flag
from streams.anomalies.newcomers import beyond, chance_of
from streams.anomalies.page import F32

KNOWN_MIN = 300
NEWCOMER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A newcomer, and peers who have worked for `KNOWN_MIN` when it comes; USD per minute.

    sizes: how far the usual of one peer lies from that of the next, as a log, a quarter of it; minutes differ by
    `noise`. new_peers began half an hour before. strangers: newcomers of another team, of the same organisation or not.
    """

    peers: int = 8
    usual_usd: float = 0.1
    noise: float = 0.3
    sizes: float = 0.0
    new_peers: int = 0
    strangers: int = 0
    same_org: bool = True
    same_team: bool = True

    def flags(self, newcomer: Sequence[float]) -> list[Flag]:
        """What is told of the newcomer, who spends so much in each minute."""
        dice = np.random.default_rng(1)
        count = 1 + self.peers + self.new_peers
        usd: F32 = np.zeros((KNOWN_MIN + len(newcomer), count + self.strangers), np.float32)
        usual = self.usual_usd * np.exp(self.sizes * np.linspace(-1, 1, count - 1))
        usd[:, 1:count] = usual * np.exp(dice.normal(0, self.noise, (len(usd), count - 1)))
        usd[: KNOWN_MIN - 30, 1 + self.peers : count] = 0
        usd[KNOWN_MIN - 60, count:] = 0.01
        usd[KNOWN_MIN:, NEWCOMER] = newcomer
        parents = np.array([0] * count + [1] * (1 + self.strangers))
        parents[NEWCOMER] = 0 if self.same_team else 1
        detector = new_detector(parents[: usd.shape[1]], orgs=[0, 0 if self.same_org else 1])
        told = [flag for at_min, now in enumerate(usd, start=1) for flag in detector.minute(now, at_min=at_min)]
        return [flag for flag in told if flag.row == NEWCOMER]


RUNS_AWAY = [3.0] * 120


def test_far_more_than_any_peer_ever_spent_is_told_at_once_and_once() -> None:
    """Within three minutes, with what is usual among its peers, and how rarely they would spend as much."""
    (flag,) = World().flags(RUNS_AWAY)
    assert (flag.kind, flag.peers, flag.at_min - KNOWN_MIN <= 3) == ("spike", 8, True)
    assert flag.expected_usd_per_hour == pytest.approx(60 * 0.1, rel=0.3)
    assert flag.score >= flag.threshold
    assert flag.p_value is not None
    assert 0 < flag.p_value < 0.005


@pytest.mark.parametrize(
    ("world", "newcomer"),
    [
        pytest.param(World(), [0.1] * 120, id="works like its peers"),
        pytest.param(World(peers=60, noise=0.02), [0.23] * 120, id="works twice as much as any"),
        pytest.param(World(sizes=2), [4.0] * 120, id="differs from its peers no more than they do from each other"),
        pytest.param(World(peers=4), RUNS_AWAY, id="has too few peers"),
        pytest.param(World(peers=0), RUNS_AWAY, id="has no peers"),
        pytest.param(World(new_peers=9), [3.0] * 20, id="is one of many who are new"),
        pytest.param(World(same_team=False, same_org=False, strangers=9), RUNS_AWAY, id="is of another organisation"),
        pytest.param(World(), [*[0.1] * 20, 20.0, *[0.1] * 100], id="has a storm of one minute"),
        pytest.param(World(), [3.0, 0, 0, 0] * 30, id="has a dear call now and then"),
        pytest.param(World(), [*[3.0, 0, 0, 0] * 90, 3.0, 3.0], id="has had as dear minutes before"),
        pytest.param(World(usual_usd=0.033, noise=0.02), [0.1] * 120, id="costs 4 USD/h more than its peers"),
    ],
)
def test_who_only_looks_strange_is_not_told(world: World, newcomer: list[float]) -> None:
    """Of the newcomer nothing is said."""
    assert world.flags(newcomer) == []


@pytest.mark.parametrize("same_org", [False, True])
def test_the_more_are_new_in_an_organisation_the_farther_out_one_must_lie(*, same_org: bool) -> None:
    """What is one of 300 is told where few are new, and not where 3,000 are; who is new elsewhere does not count."""
    found = World(sizes=0.5, strangers=3000, same_org=same_org).flags([0.75] * 30)
    assert [flag.kind for flag in found] == ([] if same_org else ["spike"])


def test_what_was_told_is_not_told_again_and_not_learnt_while_it_lasts() -> None:
    """Rests of an hour between: still once; what it spends in peace afterwards is its own past."""
    assert len(World().flags(([3.0] * 60 + [0.0] * 90) * 4)) == 1


def test_cut_off_the_same_is_told() -> None:
    """No flag depends on what comes later."""
    minutes = [*[0.1] * 30, *[3.0] * 60]
    (whole,) = World().flags(minutes)
    assert World().flags(minutes[: whole.at_min - KNOWN_MIN]) == [whole]


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 63.657), (2, 9.925), (4, 4.604), (5, 4.032), (9, 3.250), (30, 2.750), (500, 2.576)]
)
def test_students_t_is_that_of_the_tables(freedom: int, value: float) -> None:
    """The 99.5 % points of any statistical table."""
    assert beyond(0.005, freedom) == pytest.approx(value, abs=0.002)


@given(st.integers(1, 400), st.floats(1e-6, 0.4))
def test_what_is_exceeded_so_rarely_is_exceeded_so_rarely(freedom: int, chance: float) -> None:
    """One is the other's inverse, and farther out is rarer."""
    bound = beyond(chance, freedom)
    assert chance_of(bound, freedom) <= chance
    assert chance_of(bound - 0.002, freedom) >= chance or bound < 0.002
