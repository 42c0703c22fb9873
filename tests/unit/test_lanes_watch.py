"""When a consumer counts as dead though its broker answers."""

from faust.types import TP

from streams.transport import VitalSigns
from streams.watch import SILENT_SEC, KnownTopics, Pulse, missing_signs


def _signs(*, rejoins: bool = False, **answered_ms: int) -> VitalSigns:
    return VitalSigns(rejoins=rejoins, answered_ms={TP("t", int(name[1:])): at for name, at in answered_ms.items()})


def test_a_partition_that_was_fetched_since_the_last_look_is_alive() -> None:
    """Equal times of two looks are a missing sign; a partition that was not asked about before is none."""
    before = _signs(p0=10, p1=10)
    assert missing_signs(_signs(p0=11, p1=10, p2=5), before) == {"t/1 is not fetched any more"}
    assert missing_signs(_signs(rejoins=True), None) == {"the group is not rejoined"}


def test_only_a_sign_that_stays_away_long_enough_is_late() -> None:
    """One moment before the limit it is not, and a sign that came once begins anew."""
    pulse = Pulse()
    assert pulse.look(_signs(rejoins=True), now_sec=0) is None
    assert pulse.look(_signs(rejoins=True), now_sec=SILENT_SEC - 1) is None
    assert pulse.look(_signs(rejoins=True), now_sec=SILENT_SEC) == "the group is not rejoined"
    assert pulse.look(_signs(), now_sec=SILENT_SEC + 1) is None
    assert pulse.look(_signs(rejoins=True), now_sec=SILENT_SEC + 2) is None


def test_without_a_broker_nothing_is_late() -> None:
    """An outage of any length is waited for."""
    pulse = Pulse()
    assert pulse.look(_signs(rejoins=True, p0=1), now_sec=0) is None
    assert pulse.look(None, now_sec=SILENT_SEC * 10) is None
    assert pulse.look(_signs(rejoins=True, p0=1), now_sec=SILENT_SEC * 10 + 1) is None


def test_a_topic_with_another_id_is_another_topic() -> None:
    """Missing once may be a broker that starts; missing twice, or back under another id, it is not ours any more."""
    known = KnownTopics({"a": "1", "b": "2"})
    assert known.changed({"a": "1", "b": "2"}) is None
    assert known.changed(None) is None
    assert known.changed({"a": "1", "b": "2"}) is None
    assert known.changed(None) is None
    assert str(known.changed(None)) == "topics that we read or write were deleted"
    assert str(known.changed({"a": "1", "b": "3"})) == "b was deleted and created anew: its id is 3, it was 2"
