"""Who is killed for hanging, and who never: the rules of the watchdog."""

import pytest

from deploy.stack.watchdog_rules import Look, Watched, step

WELL: dict[str, str | None] = {"kafka": None, "clickhouse": None}
Signs = dict[str, str | None]


def killed(looks: list[tuple[float, Signs]], *, hang_sec: float = 60) -> list[tuple[float, str]]:
    """When who is killed, from looks at given seconds; every process keeps its pid until it is killed."""
    watched: dict[str, Watched] = {}
    pids: dict[str, int] = {}
    found = []
    for now_sec, signs in looks:
        seen = {name: Look(pids.setdefault(name, 1), sign) for name, sign in signs.items()}
        well = frozenset(name for name in WELL if name in signs and signs[name] is None)
        watched, hung = step(watched, seen, well=well, now_sec=now_sec, hang_sec=hang_sec)
        for name in hung:
            pids[name] += 1
        found += [(now_sec, name) for name in hung]
    return found


def test_silent_stage_is_killed_after_its_time() -> None:
    """At 60 s it lives, past 60 s it is killed."""
    assert killed([(0, WELL | {"burn": "7"}), (60, WELL | {"burn": "7"}), (61, WELL | {"burn": "7"})]) == [(61, "burn")]


def test_speaking_stage_is_left_alone() -> None:
    """Each new sign starts the time anew."""
    assert killed([(at, WELL | {"burn": str(at)}) for at in range(0, 600, 50)]) == []


@pytest.mark.parametrize("away", ["kafka", "clickhouse"])
def test_nobody_is_killed_for_what_he_needs(away: str) -> None:
    """While Kafka or ClickHouse is away the sink may stand still; the time counts from their return."""
    gone: Signs = WELL | {"sink": "7", away: ""}
    back: Signs = WELL | {"sink": "7"}
    looks: list[tuple[float, Signs]] = [(0, back), (30, gone), (100, back), (160, back), (161, back)]
    assert killed(looks, hang_sec=60) == [(161, "sink")]


def test_a_part_that_is_being_restarted_excuses_who_needs_it() -> None:
    """ClickHouse that does not run at all is away, too."""
    absent: Signs = {"kafka": None, "sink": "7"}
    assert killed([(0, WELL | {"sink": "7"}), (30, absent), (61, absent), (200, absent)]) == []


def test_idle_sink_is_left_alone() -> None:
    """Where everything is stored there is nothing to do."""
    assert killed([(at, WELL | {"sink": None}) for at in range(0, 600, 50)]) == []


def test_part_that_does_not_answer_is_killed() -> None:
    """ClickHouse that lives and does not answer is killed; one answer in between saves it."""
    deaf: Signs = {"kafka": None, "clickhouse": ""}
    assert killed([(0, WELL), (1, deaf), (61, deaf), (62, deaf)]) == [(61, "clickhouse")]
    assert killed([(0, WELL), (1, deaf), (50, WELL), (51, deaf), (100, deaf)]) == []


def test_who_never_speaks_is_given_longer_each_time() -> None:
    """A stage whose recovery takes long is not killed for ever: 60 s, then 120 s, then 240 s."""
    looks: list[tuple[float, Signs]] = [(float(at), WELL | {"burn": "7"}) for at in range(0, 480, 10)]
    assert [at for at, _name in killed(looks)] == [70, 210, 470]


def test_a_process_that_died_by_itself_starts_anew() -> None:
    """The time of an earlier process does not count against its successor."""
    watched, _ = step({}, {"burn": Look(1, "7")}, well=frozenset(WELL), now_sec=0, hang_sec=60)
    watched, hung = step(watched, {"burn": Look(2, "7")}, well=frozenset(WELL), now_sec=61, hang_sec=60)
    assert (hung, watched["burn"].since_sec) == ([], 61)
