"""A receiver of every kind of channel, the routes to them, and what each was told."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

from tests.notifier_world import MailBox, Receiver, mail_box, receiver

KINDS = ("webhook", "slack", "alertmanager", "pagerduty")
SECRET = "CANARY-OF-ROUTES"
Told = Counter[tuple[str, str]]
"""How often each transition came: alert id and seq, as text."""


@dataclass(frozen=True)
class Channels:
    """Receivers by kind, a mail box, and one more webhook that can be taken away."""

    receivers: dict[str, Receiver]
    box: MailBox

    def settings(self) -> dict[str, str]:
        """What the administrator allows."""
        hosts = [f"127.0.0.1:{one.port}" for one in self.receivers.values()]
        return {
            "BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS": ",".join([*hosts, "@example.com"]),
            "BURNLINE_NOTIFIER_SMTP_HOST": "127.0.0.1",
            "BURNLINE_NOTIFIER_SMTP_PORT": str(self.box.port),
            "BURNLINE_NOTIFIER_SMTP_SECURITY": "none",
            "BURNLINE_NOTIFIER_FIRST_WAIT_SEC": "0.2",
            "BURNLINE_NOTIFIER_LONGEST_WAIT_SEC": "0.5",
            "BURNLINE_NOTIFIER_TIMEOUT_SEC": "60",
        }

    def put_secrets(self, folder: Path) -> None:
        """The secrets that the routes name are files of the folder."""
        (folder / "signing").write_text(f"{SECRET}\n")
        (folder / "slack").write_text(f"{self.receivers['slack'].url}/{SECRET}\n")

    def routes(self, *, org: str) -> str:
        """A file of policies: a route of each kind, one of them to a webhook that may be away."""
        route = '[[route]]\nid = "{name}"\ndestination = "{kind}"\ntopics = ["alerts.budgets"]\n{more}\n'
        more = {
            "webhook": f'url = "{self.receivers["webhook"].url}/x"\nsecret = "signing"',
            "slack": 'secret = "slack"',
            "alertmanager": f'url = "{self.receivers["alertmanager"].url}"',
            "pagerduty": f'url = "{self.receivers["pagerduty"].url}/v2/enqueue"\nsecret = "signing"',
            "email": 'to = ["ops@example.com"]',
        }
        away = f'url = "{self.receivers["away"].url}/x"\nsecret = "signing"'
        routes = [route.format(name=kind, kind=kind, more=words) for kind, words in more.items()]
        return f'org = "{org}"\n\n' + "\n".join([*routes, route.format(name="away", kind="webhook", more=away)])

    def own_route(self) -> str:
        """A file of policies: alerts about Burnline itself go to the webhook, at another path."""
        url = f"{self.receivers['webhook'].url}/own"
        return (
            f'org = "burnline"\n\n[[route]]\nid = "own"\ndestination = "webhook"\nurl = "{url}"\nsecret = "signing"\n'
        )

    def own_alerts(self) -> list[dict[str, object]]:
        """The alerts about Burnline itself, as they came."""
        own = [body for path, _, body in self.receivers["webhook"].requests if path == "/own"]
        return [json.loads(body)["data"] for body in own]

    def told(self) -> dict[str, Told]:
        """What each channel was told, by the name of its route."""
        found: dict[str, Told] = {name: Counter() for name in (*self.receivers, "email")}
        for name, stub in self.receivers.items():
            for path, headers, body in stub.requests:
                if path != "/own":
                    found[name][_named(name, headers, body)] += 1
        for raw in self.box.messages:
            alert_id, _, seq = str(message_from_bytes(raw)["X-Burnline-Delivery"]).partition("/")
            found["email"][alert_id, seq] += 1
        return found


def _named(name: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """The transition that a request tells."""
    if name in {"webhook", "away"}:
        alert_id, _, seq = headers["webhook-id"].partition("/")
        return alert_id, seq
    said = json.loads(body)
    if name == "alertmanager":
        return said[0]["labels"]["alert_id"], said[0]["annotations"]["seq"]
    if name == "pagerduty":
        alert_id, _, seq = said["payload"]["custom_details"]["alert"].partition(" seq ")
        assert said["dedup_key"] == alert_id
        return alert_id, seq
    [text] = [one["text"] for one in said["blocks"][-1]["elements"] if one["text"].startswith("alert: ")]
    alert_id, _, seq = text.removeprefix("alert: ").partition(" seq ")
    return alert_id, seq


@contextmanager
def channels() -> Iterator[Channels]:
    """Receivers on free ports of loopback; the one called `away` answers 503 until it is told otherwise."""
    with ExitStack() as stack:
        receivers = {name: stack.enter_context(receiver()) for name in (*KINDS, "away")}
        receivers["away"].usual = 503
        yield Channels(receivers, stack.enter_context(mail_box()))
