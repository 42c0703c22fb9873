"""What people say of alerts: how it comes into the policies, and from there into the store."""

from typing import Any

import pytest

from deploy.labelling import label_of
from schemas.errors import InputError
from schemas.policies import AlertLabel, PolicyChange, fold, key_of
from sinks.label_rows import label_rows

ID = "1c2d6e0e5f8a4c7d9e2f1a3b4c5d6e7f"
ROW = {"alert_id": ID, "org": "acme", "status": "resolved"}


def change(**said: Any) -> PolicyChange:
    """A change of policies."""
    return PolicyChange.model_validate({"change_id": "c", "actor": "a", "at": "", "files": (), **said})


def test_a_label_is_about_one_alert_and_may_come_after_it_is_over() -> None:
    """The alert that was meant, its organisation, who said what."""
    said = label_of("1c2d6e", [{**ROW, "status": "firing"}, ROW], "dismiss", by="dana", note="a load test")
    assert said == AlertLabel(id=ID, org="acme", label="dismiss", by="dana", note="a load test")


@pytest.mark.parametrize(
    ("transitions", "note", "sentence"),
    [
        ([], None, "no alert has an id that begins with '1c2d6e'"),
        ([ROW, {**ROW, "alert_id": "1c2d6e" + "0" * 26}], None, "2 alerts have ids that begin with '1c2d6e'"),
        ([ROW], "two\nlines", r'^note = "two\\nlines": has a control character; names are plain text$'),
        ([ROW], "", r'^note = "": must not be empty$'),
    ],
)
def test_what_cannot_be_labelled_is_a_sentence(
    transitions: list[dict[str, str]], note: str | None, sentence: str
) -> None:
    """No alert, several, or a note that is no plain text."""
    with pytest.raises(InputError, match=sentence):
        label_of("1c2d6e", transitions, "confirm", by="dana", note=note)


def test_the_last_word_counts_and_can_be_taken_back() -> None:
    """One entry for each alert; a row for each change, deleted where the entry was removed."""
    words = [
        AlertLabel(id=ID, org="acme", label="dismiss", by="dana"),
        AlertLabel(id=ID, org="acme", label="confirm", by="kim", note="it was real"),
    ]
    changes = [change(sets=[word]) for word in words] + [change(removes=[key_of(words[0])])]
    folded = fold(fold({}, changes[0], offset=3), changes[1], offset=4)
    assert [entry.policy for entry in folded.values()] == [words[1]]
    rows = label_rows([(3, changes[0]), (4, changes[1]), (5, changes[2])]).to_pylist()
    assert [(row["label"], row["said_by"], row["note"], row["policy_offset"], row["is_deleted"]) for row in rows] == [
        ("dismiss", "dana", "", 3, 0), ("confirm", "kim", "it was real", 4, 0), ("", "", "", 5, 1)
    ]  # fmt: skip
    assert {(row["org"], row["alert_id"]) for row in rows} == {("acme", ID)}
    assert label_rows([(1, change())]).num_rows == 0
