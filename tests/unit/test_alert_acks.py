"""Which alert is meant by the beginning of its id, and what an acknowledgement says."""

from typing import Any

import pytest

from deploy.acknowledging import By, acknowledgement_of
from schemas.errors import InputError

ONE, OTHER = "1c2d" + "0" * 28, "1c2e" + "0" * 28


def transition(alert_id: str, status: str = "firing", *, seq: int = 1) -> dict[str, Any]:
    """A row of the view `alert_events`."""
    return {"alert_id": alert_id, "org": "acme", "status": status, "seq": seq}


def test_an_alert_is_named_by_the_beginning_of_its_id() -> None:
    """Its whole id and its organisation stand in the policies, with who takes it on."""
    found = acknowledgement_of("1c2d", [transition(ONE), transition(ONE)], By("dana", "a load test"))
    assert (found.id, found.org, found.by, found.note) == (ONE, "acme", "dana", "a load test")


def test_a_page_is_taken_on_by_whoever_took_on_its_ticket() -> None:
    """Taken on twice it is one entry; what is told anew afterwards is another one, by the same person, too."""
    ticket = [transition(ONE), transition(ONE, "acknowledged", seq=2)]
    page = [*ticket, transition(ONE, seq=3)]
    first, again, anew = (acknowledgement_of("1c2d", some, By("dana")) for some in (ticket[:1], ticket, page))
    assert (first, 3) == (again, anew.seq)
    assert anew != first


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
