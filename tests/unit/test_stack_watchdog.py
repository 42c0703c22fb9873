"""Who is killed for hanging, and who never: the rules of the watchdog."""

import pytest

from deploy.stack.position_rules import Said
from deploy.stack.watchdog import should_speak
from deploy.stack.watchdog_rules import HELD_SEC, Look, Watched, first_words, held, step
from schemas.progress import Progress

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
    """Having spoken, at 60 s of silence it lives, past 60 s it is killed."""
    spoke: list[tuple[float, Signs]] = [(0, WELL | {"burn": "6"}), (1, WELL | {"burn": "7"})]
    assert killed([*spoke, (61, WELL | {"burn": "7"}), (62, WELL | {"burn": "7"})]) == [(62, "burn")]


def test_a_stage_that_has_not_spoken_yet_may_recover_three_times_as_long() -> None:
    """At 180 s it lives, past 180 s it is killed."""
    silent: Signs = WELL | {"burn": "7"}
    assert killed([(0, silent), (180, silent), (181, silent)]) == [(181, "burn")]


def test_speaking_stage_is_left_alone() -> None:
    """Each new sign starts the time anew."""
    assert killed([(at, WELL | {"burn": str(at)}) for at in range(0, 600, 50)]) == []


@pytest.mark.parametrize("away", ["kafka", "clickhouse"])
def test_nobody_is_killed_for_what_he_needs(away: str) -> None:
    """While Kafka or ClickHouse is away the sink may stand still; the time counts from their return."""
    gone: Signs = WELL | {"sink": "7", away: ""}
    back: Signs = WELL | {"sink": "7"}
    looks: list[tuple[float, Signs]] = [(0, WELL | {"sink": "6"}), (10, back), (30, gone), (100, back)]
    assert killed([*looks, (160, back), (161, back)], hang_sec=60) == [(161, "sink")]


def test_a_part_that_is_being_restarted_excuses_who_needs_it() -> None:
    """ClickHouse that does not run at all is away, too."""
    absent: Signs = {"kafka": None, "sink": "7"}
    assert killed([(0, WELL | {"sink": "7"}), (30, absent), (61, absent), (200, absent)]) == []


def test_idle_sink_is_left_alone() -> None:
    """Where everything is stored there is nothing to do."""
    assert killed([(at, WELL | {"sink": None}) for at in range(0, 600, 50)]) == []


def test_part_that_does_not_answer_is_killed() -> None:
    """ClickHouse that lives and does not answer for three times as long is killed; one answer in between saves it."""
    deaf: Signs = {"kafka": None, "clickhouse": ""}
    assert killed([(0, WELL), (1, deaf), (180, deaf), (181, deaf)]) == [(181, "clickhouse")]
    assert killed([(0, WELL), (1, deaf), (150, WELL), (151, deaf), (300, deaf)]) == []


def test_who_never_speaks_is_given_longer_each_time() -> None:
    """A stage whose recovery takes long is not killed for ever: 180 s, then 360 s."""
    looks: list[tuple[float, Signs]] = [(float(at), WELL | {"burn": "7"}) for at in range(0, 800, 10)]
    assert [at for at, _name in killed(looks)] == [190, 570]


def test_a_process_that_died_by_itself_starts_anew() -> None:
    """The time of an earlier process does not count against its successor."""
    watched, _ = step({}, {"burn": Look(1, "7")}, well=frozenset(WELL), now_sec=0, hang_sec=60)
    watched, hung = step(watched, {"burn": Look(2, "7")}, well=frozenset(WELL), now_sec=181, hang_sec=60)
    assert (hung, watched["burn"].since_sec) == ([], 181)


def test_a_first_word_is_told_once_in_each_life() -> None:
    """The sign that a process had from before is no word of its own; the first change is; a successor begins anew."""
    signs = [(1, "7"), (1, "7"), (1, "8"), (1, "9"), (2, "9"), (2, "10")]
    watched: dict[str, Watched] = {}
    told = []
    for now_sec, (pid, sign) in enumerate(signs):
        before = watched
        watched, _ = step(before, {"burn": Look(pid, sign)}, well=frozenset(WELL), now_sec=now_sec, hang_sec=60)
        told.append(first_words(before, watched))
    assert told == [[], [], ["burn"], [], [], ["burn"]]


def test_a_stage_should_speak_where_something_waits_and_where_it_ticks() -> None:
    """Rating ticks, so it is always looked at; burn and the sink only where they are behind; longest silent first."""
    ends = {("usage.events", 0): 5, ("internal.deltas", 0): 9, ("internal.deltas", 1): 9, ("internal.rated", 0): 3}
    words = {
        ("rating", "usage.events", 0): (5, 70),
        ("burn", "internal.deltas", 0): (8, 50),
        ("sink", "internal.rated", 0): (3, 60),
    }
    said = {place: spoken(place, next_offset, offset=offset) for place, (next_offset, offset) in words.items()}
    assert should_speak("rating", said, ends) == [(70, ("usage.events", 0))]
    assert should_speak("burn", said, ends) == [(-1, ("internal.deltas", 1)), (50, ("internal.deltas", 0))]
    assert should_speak("sink", said, ends) == []


def spoken(place: tuple[str, str, int], next_offset: int, *, offset: int) -> Said:
    """A stage's word on a partition."""
    stage, topic, partition = place
    return Said(
        Progress(
            stage=stage, topic=topic, partition=partition, next_offset=next_offset, policy_offset=0,
            log_time_us=0, topic_id="t", at_us=0,
        ),
        0,
        offset,
    )  # fmt: skip


def test_a_transaction_that_the_broker_never_ends_is_held_against_it() -> None:
    """Only what stands still is counted: with each offset that becomes readable the time begins anew."""
    first = held(None, readable=10, end=12, now_sec=0)
    assert first is not None
    assert not first.too_long(now_sec=HELD_SEC - 1)
    later = held(first, readable=10, end=40, now_sec=HELD_SEC)
    assert later == first
    assert later.too_long(now_sec=HELD_SEC)
    moved = held(later, readable=11, end=40, now_sec=HELD_SEC)
    assert moved is not None
    assert not moved.too_long(now_sec=HELD_SEC + 1)
    assert held(moved, readable=40, end=40, now_sec=HELD_SEC + 2) is None
