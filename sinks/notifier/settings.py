"""Where alerts may be delivered, and how long a route is waited for; read from `BURNLINE_NOTIFIER_*`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from sinks.notifier.queues import Limits


class NotifierSettings(BaseSettings):
    """What the administrator allows; policies choose within it."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_NOTIFIER_", frozen=True)

    allowed_destinations: str = Field(
        "hooks.slack.com,events.pagerduty.com,events.eu.pagerduty.com",
        description="hosts (`host`, `host:port`, `*.suffix`) and `@mail.domains` that routes may name",
    )
    secrets_dir: Path | None = Field(
        None,
        description="a folder with a file for each secret that routes name; else BURNLINE_SECRET_<NAME>",
    )
    smtp_host: str | None = Field(None, description="the mail server; without one no e-mail is sent")
    smtp_port: int = Field(587, ge=1, le=65_535, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="how it is spoken to")
    smtp_username: str | None = Field(None, description="the user, where it wants one")
    smtp_password_file: Path | None = Field(None, description="a file that holds the password")
    mail_from: str = Field(
        "burnline@localhost", pattern=r"^[^\s@<>\x00-\x1f]+@[A-Za-z0-9.-]+$", description="the sender of e-mail"
    )
    timeout_sec: float = Field(10.0, gt=0, le=60, description="longest wait for a receiver's answer")
    first_wait_sec: float = Field(1.0, gt=0, le=60, description="wait after a route's first failure; doubles each time")
    longest_wait_sec: float = Field(300.0, gt=0, le=3600, description="longest wait between two attempts of a route")
    give_up_sec: float = Field(
        14_400.0, ge=1, le=604_800, description="how long a delivery waits for a route that fails before it is parked"
    )
    most_waiting: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="how many may wait for a route; then one that fails parks the oldest, a slow one reads on later",
    )
    start_back_sec: float = Field(
        3600.0, ge=0, le=604_800, description="how old alerts are told at the very first start, and not older ones"
    )
    heartbeat_sec: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="between two heartbeats; none for 2.5 times as long is an alert; 0: no heartbeats",
    )
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")

    def limits(self) -> Limits:
        """What bounds each route's queue."""
        return Limits(
            first_wait_sec=self.first_wait_sec,
            longest_wait_sec=self.longest_wait_sec,
            give_up_sec=self.give_up_sec,
            most_waiting=self.most_waiting,
            slow_sec=3 * self.timeout_sec,
        )
