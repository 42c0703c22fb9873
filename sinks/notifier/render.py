"""A transition as each destination takes it. Pure: what is sent, not how.

Sources (read 2026-11): https://api.slack.com/reference/block-kit/blocks,
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml,
https://developer.pagerduty.com/docs/events-api-v2-overview, RFC 5322.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from schemas.money import plain
from schemas.signals import ALERT_TYPE, Alert, CloudSignal, rfc3339
from sinks.notifier.routing import is_over
from sinks.notifier.signing import signed_headers
from sinks.notifier.text import link, slack, tame, title

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
STANDS = timedelta(days=7)
"""How long an Alertmanager keeps an episode without an end that is said once: it would forget it after 5 minutes."""
CLOCKS = timedelta(minutes=1)
"""How far an Alertmanager's clock may be behind: an end in its future is passed over, and the old one stays (0.25)."""
_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Post:
    """A request; `secret` says whether it carries one, so that it goes over https only."""

    url: str
    body: bytes
    headers: dict[str, str] = field(repr=False)
    secret: bool


def message_id(alert: Alert) -> str:
    """The key by which receivers leave out what they have already."""
    return f"{alert.alert_id}/{alert.seq}"


def webhook(alert: Alert, *, url: str, secret: str, now: datetime) -> Post:
    """The CloudEvent of the alert, signed. Raises: SettingsError: the secret cannot sign."""
    told = tame(alert)
    event = CloudSignal(
        type=ALERT_TYPE, id=message_id(told), time=told.at, subject=f"org/{told.org}", data=told
    ).model_dump_json()
    body = event.encode()
    headers = signed_headers(body, message_id=message_id(told), secret=secret, now=now)
    return Post(url, body, {"content-type": "application/cloudevents+json"} | headers, secret=False)


def slack_message(alert: Alert, *, url: str) -> Post:
    """A header, what happened and its facts; blocks are plain text, the fallback is escaped."""
    head = title(alert, most=150)
    told = tame(alert)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(head)},
        {"type": "section", "text": _plain(told.message or head)},
        {"type": "context", "elements": [_plain(f"{name}: {value}"[:300]) for name, value in _facts(told)[:10]]},
    ]
    body = {
        "text": f"{slack(head, most=300)}\n{slack(told.message, most=2000)}",
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    return Post(url, _dumped(body), dict(_JSON), secret=True)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or "-", "emoji": False}


def alertmanager(alert: Alert, earlier: Sequence[Alert] = (), *, url: str, secret: str | None) -> Post:
    """One alert of API v2, so that an episode is one there; `earlier`, told of it before, ends where its labels differ.

    An Alertmanager knows an alert by all of its labels: with another severity it is another, and the first stands on.
    """
    told = tame(alert)
    labels = _labels(told)
    notes = {"summary": title(told, most=300), "description": told.message, "owner": told.owner or ""}
    notes |= {"value": plain(told.value), "threshold": plain(told.threshold)}
    notes |= {"resolved_at": rfc3339(told.resolved_at) if told.resolved_at else ""}
    notes |= {"unit": told.unit, "seq": str(told.seq), "runbook_url": told.runbook_url or ""}
    notes = {key: value for key, value in notes.items() if value}
    opened, changed = told.opened_at, max(told.at, told.opened_at)
    over = max((told.resolved_at or told.at) - CLOCKS, opened)
    past: list[dict[str, str]] = []
    for one in map(_labels, map(tame, earlier)):
        past += [one] if one != labels and one not in past else []
    stands = [(labels, over if is_over(told) else changed + STANDS)]
    stands += [(one, max(changed - CLOCKS, opened)) for one in past]
    body = [
        {"labels": one, "annotations": notes, "startsAt": rfc3339(opened), "endsAt": rfc3339(ends)}
        for one, ends in stands
    ]
    headers = dict(_JSON) | ({"authorization": f"Bearer {secret}"} if secret else {})
    return Post(url.rstrip("/") + "/api/v2/alerts", _dumped(body), headers, secret=bool(secret))


def _labels(told: Alert) -> dict[str, str]:
    """What an Alertmanager knows the alert by."""
    names = {
        "alertname": told.rule,
        "alert_id": told.alert_id,
        "org": told.org,
        "topic": told.topic,
        "entity_type": told.entity_type,
        "entity_id": told.entity_id,
        "budget_id": told.budget_id,
        "member": told.member,
        "level": told.level,
        "severity": told.severity,
    }
    own = {f"label_{_LABEL.sub('_', key)}": value for key, value in told.labels.items()}
    return {key: value for key, value in (own | names).items() if value}


_PAGERDUTY = {"acknowledged": "acknowledge"}


def pagerduty(alert: Alert, *, url: str | None, secret: str) -> Post:
    """An event of API v2; `alert_id` is the dedupe key, so that an episode is one incident and ends with it."""
    told = tame(alert)
    body: dict[str, Any] = {
        "routing_key": secret,
        "event_action": "resolve" if is_over(told) else _PAGERDUTY.get(told.status, "trigger"),
        "dedup_key": told.alert_id[:255],
        "client": "Burnline",
        "payload": {
            "summary": told.message[:1024] or title(told, most=1024),
            "source": f"{told.org}/{told.entity_type}/{told.entity_id}"[:255],
            "severity": told.severity,
            "timestamp": rfc3339(told.at),
            "component": told.entity_id[:255],
            "group": told.org[:255],
            "class": told.rule[:255],
            "custom_details": dict(_facts(told)) | {"evidence": told.evidence, "labels": told.labels},
        },
    }
    if told.runbook_url:
        body["links"] = [{"href": told.runbook_url, "text": "runbook"}]
    return Post(url or PAGERDUTY_URL, _dumped(body), dict(_JSON), secret=True)


def email(alert: Alert, *, to: tuple[str, ...], sender: str, now: datetime) -> EmailMessage:
    """A text message; transitions of one episode are one thread, and one transition keeps its Message-ID."""
    told = tame(alert)
    domain = sender.rpartition("@")[2]
    episode = re.sub(r"[^A-Za-z0-9-]", "-", told.alert_id)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = title(told, most=180)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{episode}.{told.seq}@{domain}>"
    if told.seq > 1:
        message["In-Reply-To"] = message["References"] = f"<{episode}.1@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Burnline-Delivery"] = message_id(told)
    facts = [f"{name}: {value}" for name, value in [*_facts(told), *sorted(told.evidence.items())]]
    message.set_content("\n".join([told.message, "", *facts, ""]))
    return message


def _facts(alert: Alert) -> list[tuple[str, str]]:
    """What a person wants to know beside the message."""
    facts = [
        ("status", alert.status),
        ("value", f"{plain(alert.value)} {alert.unit}"),
        ("threshold", f"{plain(alert.threshold)} {alert.unit}"),
        ("owner", alert.owner or "nobody"),
        ("budget", alert.budget_id or ""),
        ("since", rfc3339(alert.opened_at)),
        ("at", rfc3339(alert.at)),
        ("runbook", link(alert.runbook_url) or ""),
        ("alert", f"{alert.alert_id} seq {alert.seq}"),
    ]
    return [(name, value) for name, value in facts if value]


def _dumped(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
