"""What a worker knows of policies at each offset, however many changes there were."""

import random

from schemas.directory import Team
from schemas.policies import Policies, PolicyChange, fold
from streams.policy_log import PolicyFolds
from streams.ports import SourceRecord


def test_every_offset_has_the_fold_of_all_changes_up_to_it() -> None:
    """Also between changes (markers, records that are none), and while it grows; few folds are kept."""
    dice = random.Random(7)  # noqa: S311  no secret
    folds, naive = PolicyFolds(), dict[int, Policies]()
    so_far: Policies = {}
    for offset in range(400):
        kind = dice.random()
        if kind < 0.1:
            naive[offset] = so_far
            continue  # a marker
        value = b"no change"
        if kind < 0.9:
            sets = (Team(org="acme", id=f"t{dice.randrange(20)}", name=f"n{offset}"),)
            removes = (("team", "acme", f"t{dice.randrange(20)}x"),)
            change = PolicyChange(change_id="c", actor="a", at="", files=(), sets=sets, removes=removes)
            value, so_far = change.model_dump_json().encode(), fold(so_far, change, offset=offset)
        naive[offset] = so_far
        folds.add(SourceRecord(offset, 0, None, value, ()))
        asked = dice.randrange(offset + 1)
        assert folds.at(asked) == naive[asked]
    newest = folds.latest()[0]
    assert [folds.at(at) == naive[at] for at in range(newest + 1)] == [True] * (newest + 1)
    assert folds.at(-1) == {}
    assert len(folds._folds) < 10
