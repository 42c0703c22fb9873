"""Which alert is meant by the beginning of its id, and what an acknowledgement says."""

from typing import Any

import pytest

from deploy.acknowledging import By, acknowledgement_of
from schemas.errors import InputError

ONE, OTHER = "1c2d" + "0" * 28, "1c2e" + "0" * 28


def transition(alert_id: str, status: str = "firing") -> dict[str, Any]:
    """A row of the view `alert_events`."""
    return {"alert_id": alert_id, "org": "acme", "status": status}


def test_an_alert_is_named_by_the_beginning_of_its_id() -> None:
    """Its whole id and its organisation stand in the policies, with who takes it on."""
    found = acknowledgement_of("1c2d", [transition(ONE), transition(ONE)], By("dana", "a load test"))
    assert (found.id, found.org, found.by, found.note) == (ONE, "acme", "dana", "a load test")


@pytest.mark.parametrize(
    ("transitions", "said"),
    [
        ([], "no alert has an id that begins with '1c2'"),
        ([transition(ONE), transition(OTHER)], "2 alerts have ids that begin with '1c2'"),
        ([transition(ONE), transition(ONE, "resolved")], "is resolved already"),
    ],
)
def test_what_cannot_be_taken_on_is_refused(transitions: list[dict[str, Any]], said: str) -> None:
    """None, several, or one that is over."""
    with pytest.raises(InputError, match=said):
        acknowledgement_of("1c2", transitions, By("dana"))
