"""One delivery from beginning to end: the secret is read, the text is made, it is sent; what came of it is said."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from schemas.connection import read_secret
from schemas.errors import SettingsError
from schemas.routes import Route
from schemas.signals import Alert
from sinks.notifier.destinations import Allowed, RefusedError, allowed_from, check_mail
from sinks.notifier.outgoing import MailServer, mail, post
from sinks.notifier.queues import Outcome
from sinks.notifier.render import Post, alertmanager, email, pagerduty, slack_message, webhook
from sinks.notifier.settings import NotifierSettings

VARIABLE = "BURNLINE_SECRET_"


class Courier:
    """Delivers; for many threads. A secret is read anew each time, so that it can change under a running process."""

    def __init__(
        self,
        settings: NotifierSettings,
        *,
        now: Callable[[], datetime],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._now = now
        self._environment = environment
        self._allowed: Allowed = allowed_from(settings.allowed_destinations)

    def deliver(self, route: Route, alert: Alert, earlier: tuple[Alert, ...] = ()) -> Outcome:
        """What came of telling the route about the alert; `earlier` was told of its episode before."""
        try:
            if route.destination == "email":
                return self._mail(route, alert)
            request = self._request(route, alert, earlier)
        except RefusedError as error:
            return Outcome("refused", str(error))
        except SettingsError as error:
            # The administrator may be about to set it: the same again, later.
            return Outcome("again", str(error))
        return post(request, allowed=self._allowed, timeout_sec=self._settings.timeout_sec)

    def _request(self, route: Route, alert: Alert, earlier: tuple[Alert, ...]) -> Post:
        secret = self._secret(route.secret) if route.secret is not None else None
        if route.destination == "webhook":
            return webhook(alert, url=route.url or "", secret=secret or "", now=self._now())
        if route.destination == "slack":
            return slack_message(alert, url=secret or "")
        if route.destination == "alertmanager":
            return alertmanager(alert, earlier, url=route.url or "", secret=secret)
        return pagerduty(alert, url=route.url, secret=secret or "")

    def _mail(self, route: Route, alert: Alert) -> Outcome:
        check_mail(route.to, self._allowed)
        settings = self._settings
        if settings.smtp_host is None:
            raise SettingsError("BURNLINE_NOTIFIER_SMTP_HOST is not set: no e-mail can be sent")
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            username=settings.smtp_username,
            password=read_secret(settings.smtp_password_file, setting="BURNLINE_NOTIFIER_SMTP_PASSWORD_FILE"),
        )
        message = email(alert, to=route.to, sender=settings.mail_from, now=self._now())
        return mail(message, server=server, timeout_sec=settings.timeout_sec)

    def _secret(self, name: str) -> str:
        """The secret of that name. Raises: SettingsError: nobody has set it."""
        variable = VARIABLE + name.upper()
        folder: Path | None = self._settings.secrets_dir
        found = None
        if folder is not None and (folder / name).is_file():
            found = read_secret(folder / name, setting="BURNLINE_NOTIFIER_SECRETS_DIR")
        elif variable in self._environment:
            found = self._environment[variable]
        if not found:
            where = f"a file {name} in BURNLINE_NOTIFIER_SECRETS_DIR, or {variable}"
            raise SettingsError(f"secret {name} is not set ({where})")
        if any(ord(c) < 33 or ord(c) > 126 for c in found):
            raise SettingsError(f"secret {name} has a blank or a character that is no ASCII in it")
        return found
