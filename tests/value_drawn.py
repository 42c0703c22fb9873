"""Worlds of outcomes and usage as hypothesis draws them, each to be put into an organisation of its own."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tests.value_world import START, Json, call, outcome

PLACES = ("task", "run", "session")
_NAME = st.sampled_from([None, "a", "b"])
_COST = st.none() | st.integers(0, 10**6).map(lambda pico: str(Decimal(pico).scaleb(-12)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Json], list[Json]]:
    """(words, calls): few names, so that outcomes share spend; words in any order, corrected, taken back, days late."""
    calls = [
        {"cost_usd": draw(_COST), "operation_id": draw(st.sampled_from([None, "op-1"])), "use_case": draw(_NAME)}
        | {name: draw(_NAME) for name in PLACES}
        for _ in range(draw(st.integers(3, 6)))
    ]
    said: dict[tuple[int, int], Json] = {}
    for _ in range(draw(st.integers(4, 8))):
        names = {
            **{name: draw(_NAME) for name in PLACES},
            "call": draw(st.sampled_from([None, "op-1", "call-1"])),
            "artifact": draw(st.sampled_from([None, "a", "x", "y"])),
            "accepted": draw(st.sampled_from([None, True, False])),
        }
        word: Json = {name: value for name, value in names.items() if value is not None}
        word |= {"outcome_type": draw(st.sampled_from(["merged", "reverted", "accepted"]))}
        if word["outcome_type"] == "reverted" and (by := draw(st.sampled_from([None, "a", "x", "y"]))) is not None:
            word["reverted_by"] = by
        word |= {"revision": draw(st.integers(1, 3)), "void": draw(st.integers(0, 9)) == 0}
        word |= {"id": draw(st.integers(0, 4)), "day": draw(st.integers(0, 24))}
        said.setdefault((word["id"], word["revision"]), word)
    return draw(st.permutations(list(said.values()))), calls


def in_org(world: tuple[list[Json], list[Json]], org: str) -> tuple[list[Json], list[Json]]:
    """The outcomes and rated events of a world, as those of an organisation."""
    words, calls = world
    said = []
    for word in words:
        data = {name: value for name, value in word.items() if name not in {"id", "day"}}
        said.append(outcome(str(word["id"]), at=START + timedelta(days=word["day"]), org=org, **data))
    used = [
        call(number, at=START + timedelta(hours=number), org=org, source=f"gw/{org}", **data)
        for number, data in enumerate(calls)
    ]
    return said, used
