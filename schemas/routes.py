"""Routes: which alerts are told to whom, and over what; one kind of policy.

No policy holds a secret: it names one, and whoever runs the notifier says what it is.
"""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.secrets import holds_secret
from schemas.usage import Name

Destination = Literal["webhook", "slack", "email", "alertmanager", "pagerduty"]
AlertTopic = Literal["alerts.budgets", "alerts.anomalies", "alerts.governance", "alerts.value"]
Severity = Literal["info", "warning", "critical"]
_SECRET_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "webhook": (("url", "secret"), ()),
    "slack": (("secret",), ()),
    "email": (("to",), ()),
    "alertmanager": (("url",), ("secret",)),
    "pagerduty": (("secret",), ("url",)),
}
"""What each destination needs, and what it may have besides."""


class Route(BaseModel):
    """Alerts of the org that match every condition go to the destination; a condition that is empty matches all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["route"] = "route"
    id: Name
    org: Name
    enabled: bool = True
    topics: tuple[AlertTopic, ...] = ()
    rules: tuple[Name, ...] = ()
    severities: tuple[Severity, ...] = ()
    entity: dict[str, Name] = Field(default_factory=dict, description="entity types or labels and what they must be")
    owners: tuple[Name, ...] = ()
    resolved: bool = Field(default=True, description="also say when it is over")
    destination: Destination
    url: Name | None = Field(None, description="of a webhook, an Alertmanager, or a PagerDuty elsewhere")
    to: tuple[Name, ...] = Field((), max_length=20, description="addresses of e-mail")
    secret: Name | None = Field(
        None, description="the name of the signing key, the Slack URL, the bearer token or the routing key"
    )

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isascii() or re.search(r"\s", url):
            raise ValueError("write a URL like https://alerts.example.com/burnline")
        if parts.username is not None or parts.query or parts.fragment or holds_secret(url.encode()):
            raise ValueError("a URL in a policy holds no user, no password, no query and no key; name a secret instead")
        return url

    @field_validator("to")
    @classmethod
    def _addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if _ADDRESS.fullmatch(address) is None:
                raise ValueError(f"{address!r} is no address like ops@example.com")
        return addresses

    @field_validator("secret")
    @classmethod
    def _name_only(cls, name: str | None) -> str | None:
        if name is not None and _SECRET_NAME.fullmatch(name) is None:
            raise ValueError(
                "write the name of a secret (a-z, 0-9, _), not the secret; the notifier is told what it is"
            )
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed, allowed = _NEEDS[self.destination]
        for name in ("url", "to", "secret"):
            there = bool(getattr(self, name))
            if name in needed and not there:
                raise ValueError(f"destination {self.destination!r} needs {name}")
            if there and name not in (*needed, *allowed):
                raise ValueError(f"destination {self.destination!r} takes no {name}")
        return self
