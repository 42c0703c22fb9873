"""Each destination's receiver gets what its API documents; what fails is said without a secret."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from schemas.signals import Alert
from sinks.notifier.courier import Courier
from sinks.notifier.queues import Outcome
from sinks.notifier.settings import NotifierSettings
from sinks.notifier.signing import signed_headers
from tests.notifier_world import NOW, a_route, an_alert, mail_box, receiver

SECRETS = {"BURNLINE_SECRET_SIGNING": "whsec_c2VjcmV0LW9mLXRlc3Rz", "BURNLINE_SECRET_KEY": "R0UTINGKEY"}


def a_courier(allowed: str, secrets: dict[str, str] | None = None, **settings: Any) -> Courier:
    """A courier that may go there and knows these secrets."""
    made = NotifierSettings(allowed_destinations=allowed, **{"timeout_sec": 2} | settings)
    return Courier(made, now=lambda: NOW, environment=SECRETS | (secrets or {}))


@contextmanager
def dripping() -> Iterator[int]:
    """A receiver on this port that answers a byte at a time and never ends."""
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        client, _ = server.accept()
        with client, suppress(OSError):
            while not stop.wait(0.02):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def resolved(**changes: Any) -> Alert:
    """The golden alert when it is over."""
    return an_alert(seq=2, status="resolved", resolved_at=NOW, at=NOW, **changes)


def test_a_webhook_has_the_event_and_a_signature_that_proves_it() -> None:
    """The body is the CloudEvent of the topic; the id is the dedupe key; the signature is over what was received."""
    with receiver() as stub:
        route = a_route(url=stub.url + "/hook")
        assert a_courier(f"127.0.0.1:{stub.port}").deliver(route, an_alert()) == Outcome("done")
    [(path, headers, body)] = stub.requests
    assert path == "/hook"
    assert json.loads(body)["data"]["message"] == an_alert().message
    proof = signed_headers(
        body, message_id=f"{an_alert().alert_id}/1", secret=SECRETS["BURNLINE_SECRET_SIGNING"], now=NOW
    )
    assert {name: headers[name] for name in proof} == proof


def test_slack_gets_blocks_of_plain_text() -> None:
    """The URL is the secret; the fallback is escaped."""
    with receiver() as stub:
        courier = a_courier(f"127.0.0.1:{stub.port}", {"BURNLINE_SECRET_OPS_SLACK": f"{stub.url}/services/T/B/X"})
        route = a_route(destination="slack", url=None, secret="ops_slack")
        assert courier.deliver(route, an_alert(message="<!channel> & co")) == Outcome("done")
    [(path, _, raw)] = stub.requests
    body = json.loads(raw)
    assert path == "/services/T/B/X"
    assert body["text"].endswith("\n&lt;!channel&gt; &amp; co")
    assert {block["text"]["type"] for block in body["blocks"] if "text" in block} == {"plain_text"}
    assert all(len(block["text"]["text"]) <= 150 for block in body["blocks"] if block["type"] == "header")


def test_alertmanager_gets_one_alert_that_ends_when_it_is_over() -> None:
    """Labels are the same for both transitions, so it is one alert there; only the second has its end."""
    with receiver() as stub:
        courier = a_courier(f"127.0.0.1:{stub.port}")
        route = a_route(destination="alertmanager", url=stub.url, secret=None)
        assert [courier.deliver(route, one).kind for one in (an_alert(), resolved(value=an_alert().threshold))] == [
            "done",
            "done",
        ]
    [(path, _, first), (_, _, second)] = stub.requests
    [[firing], [over]] = json.loads(first), json.loads(second)
    assert path == "/api/v2/alerts"
    assert firing["labels"] == over["labels"]
    assert firing["labels"]["alertname"] == "burn_rate"
    assert (firing["startsAt"], over["endsAt"]) == ("2026-11-22T09:15:04.000000Z",) * 2  # within the minute of a clock
    assert firing["endsAt"] > "2026-11-29"


def test_pagerduty_gets_one_incident_that_is_resolved() -> None:
    """The dedupe key is the alert's id for both; 202 is done."""
    with receiver() as stub:
        stub.usual = 202
        route = a_route(destination="pagerduty", url=stub.url + "/v2/enqueue", secret="key")
        courier = a_courier(f"127.0.0.1:{stub.port}")
        assert [courier.deliver(route, one).kind for one in (an_alert(), resolved())] == ["done", "done"]
    events = [json.loads(raw) for _, _, raw in stub.requests]
    assert [event["event_action"] for event in events] == ["trigger", "resolve"]
    assert {event["dedup_key"] for event in events} == {an_alert().alert_id}
    assert {event["routing_key"] for event in events} == {"R0UTINGKEY"}
    assert events[0]["payload"]["severity"] == "critical"


def test_mail_reaches_every_address_and_threads_by_episode() -> None:
    """The second transition answers the first; a refused address is no delivery, what was taken is one."""
    with mail_box() as box:
        courier = a_courier("@example.com", smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none")
        route = a_route(destination="email", url=None, secret=None, to=["a@example.com", "b@example.com"])
        assert [courier.deliver(route, one).kind for one in (an_alert(), resolved())] == ["done", "done"]
        box.answer = "450 later"
        assert courier.deliver(route, an_alert()).kind == "again"
        box.answer = "550 nobody"
        assert courier.deliver(route, an_alert()).kind == "refused"
        box.answer, box.bye = "250 yes", "421 too busy to say good-bye"
        assert courier.deliver(route, an_alert()) == Outcome("done")
    first, second, _ = (message_from_bytes(raw, policy=SMTP) for raw in box.messages)
    assert first["To"] == "a@example.com, b@example.com"
    assert second["In-Reply-To"] == first["Message-ID"]
    assert an_alert().message in first.get_content().replace("=\n", "")


def test_a_host_of_several_addresses_is_asked_at_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the first; if any of them is one that nobody may ask, none is asked."""
    look_up = socket.getaddrinfo
    for first, kind in (("127.0.0.2", "done"), ("169.254.169.254", "refused")):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in (first, "127.0.0.1")]
        with receiver() as stub, monkeypatch.context() as patched:
            names = {"pager.example": found}
            patched.setattr(
                socket,
                "getaddrinfo",
                lambda host, *more, names=names, **by: names.get(host) or look_up(host, *more, **by),
            )
            route = a_route(url=f"http://pager.example:{stub.port}")
            assert a_courier(f"pager.example:{stub.port}").deliver(route, an_alert()).kind == kind


def test_redirects_are_not_followed() -> None:
    """A receiver cannot send us elsewhere."""
    with receiver() as stub:
        stub.answers = [(307, {"location": f"{stub.url}/elsewhere"})]
        outcome = a_courier(f"127.0.0.1:{stub.port}").deliver(a_route(url=stub.url), an_alert())
    assert (outcome.kind, len(stub.requests)) == ("refused", 1)


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://[fe80::1]/", "http://0.0.0.0/"])
def test_metadata_is_refused_though_it_is_listed(url: str) -> None:
    """An administrator's star does not open it."""
    courier = a_courier("169.254.169.254,[fe80::1],0.0.0.0")
    outcome = courier.deliver(a_route(url=url), an_alert())
    assert (outcome.kind, "never asked" in outcome.reason) == ("refused", True)


def test_what_is_not_listed_is_never_asked() -> None:
    """Nobody is connected to."""
    with receiver() as stub:
        outcome = a_courier("example.com").deliver(a_route(url=stub.url), an_alert())
    assert (outcome.kind, stub.requests) == ("refused", [])
    outcome = a_courier("").deliver(a_route(destination="email", url=None, secret=None, to=["a@b.example"]), an_alert())
    assert outcome.kind == "refused"


def test_a_receiver_that_is_down_or_says_nothing_is_asked_again() -> None:
    """A refused connection, a silence, an answer byte by byte and a 429 with its wait are tried again."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        courier = Courier(
            NotifierSettings(allowed_destinations=f"127.0.0.1:{port}", timeout_sec=0.05),
            now=lambda: NOW,
            environment=SECRETS,
        )
        assert courier.deliver(a_route(url=f"http://127.0.0.1:{port}"), an_alert()).reason == "no answer within 0.05 s"
    with dripping() as port:
        courier = a_courier(f"127.0.0.1:{port}", timeout_sec=0.3)
        assert courier.deliver(a_route(url=f"http://127.0.0.1:{port}"), an_alert()).kind == "again"
    for security in ("none", "tls"):
        with dripping() as port:
            courier = a_courier(
                "@example.com", smtp_host="127.0.0.1", smtp_port=port, smtp_security=security, timeout_sec=0.1
            )
            mailed = courier.deliver(
                a_route(destination="email", url=None, secret=None, to=["a@example.com"]), an_alert()
            )
            assert mailed.kind == "again"
    courier = a_courier(f"127.0.0.1:{port}")
    down = courier.deliver(a_route(url=f"http://127.0.0.1:{port}"), an_alert())
    assert (down.kind, down.reason) == ("again", "ConnectionRefusedError: Connection refused")
    with receiver() as stub:
        stub.answers = [(429, {"retry-after": "7"})]
        limited = a_courier(f"127.0.0.1:{stub.port}").deliver(a_route(url=stub.url), an_alert())
    assert limited == Outcome("again", "HTTP 429 Too Many Requests", 7.0)


def test_secrets_come_from_their_folder_or_their_variable_and_stay_out_of_reasons(tmp_path: Path) -> None:
    """The file wins; a missing or unusable secret is said by name; no reason ever holds the secret itself."""
    (tmp_path / "key").write_text("FROMFILE\n")
    route = a_route(destination="pagerduty", url=None, secret="key")
    with receiver() as stub:
        stub.usual = 400
        here = route.model_copy(update={"url": stub.url})
        refused = a_courier(f"127.0.0.1:{stub.port}", secrets_dir=tmp_path).deliver(here, an_alert())
    assert json.loads(stub.requests[0][2])["routing_key"] == "FROMFILE"
    unset = a_courier("").deliver(route.model_copy(update={"secret": "other"}), an_alert())
    odd = a_courier("", {"BURNLINE_SECRET_ODD": "se cret\r\nX: y"}).deliver(
        route.model_copy(update={"secret": "odd"}), an_alert()
    )
    assert (unset.kind, odd.kind) == ("again", "again")
    assert "secret other is not set" in unset.reason
    slack = a_courier("", {"BURNLINE_SECRET_S": "https://hooks.slack.com/services/T/B/XYZZY"}).deliver(
        a_route(destination="slack", url=None, secret="s"), an_alert()
    )
    for outcome in (refused, unset, odd, slack):
        assert not any(word in outcome.reason for word in ("FROMFILE", "se cret", "XYZZY", "services"))


def test_a_password_never_goes_in_the_clear(tmp_path: Path) -> None:
    """With a user and no encryption the mail waits for the administrator."""
    (tmp_path / "password").write_text("hunter2")
    with mail_box() as box:
        courier = a_courier(
            "@example.com", smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none", smtp_username="burnline",
            smtp_password_file=tmp_path / "password",
        )  # fmt: skip
        outcome = courier.deliver(a_route(destination="email", url=None, secret=None, to=["a@example.com"]), an_alert())
    assert (outcome.kind, box.messages) == ("again", [])
    assert "in the clear" in outcome.reason
