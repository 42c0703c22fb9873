"""The doors out: one http(s) request, one mail. A failure is an `Outcome`, never an exception; no answer is followed.

1. A host's name is looked up once, and what was judged is what is asked: no second look-up, no proxy, no redirect.
   Of several addresses the first that lets us in is asked.
2. Reasons say a status or the kind of fault. They never quote an answer: a receiver may echo what we sent.
3. A receiver that answers byte by byte is cut off; of an answer only status and headers are read.
4. A mail is delivered when the server has said so behind its text, whatever it says or does not say to QUIT.
"""

import http.client
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage

from schemas.errors import SettingsError
from sinks.notifier.destinations import Allowed, RefusedError, Target, check_address, target_of
from sinks.notifier.queues import Outcome
from sinks.notifier.render import Post

_LATER = frozenset({408, 425, 429})
MAIL_TIMEOUTS = 3
"""How many time-outs a mail may take in all: a session is many questions, and some servers take their time at each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in."""

    host: str
    port: int
    security: str
    username: str | None
    password: str | None = field(repr=False)


def post(request: Post, *, allowed: Allowed, timeout_sec: float) -> Outcome:
    """What came of the request: done on 2xx, again where the receiver or the way to it may mend, else refused."""
    try:
        target = target_of(request.url, allowed)
        addresses = _addresses_of(target, secret=request.secret)
        connection = _Pinned(target, addresses, timeout_sec=timeout_sec)
        try:
            connection.connect()
            with _cut_off(connection.sock, after_sec=2 * timeout_sec):
                headers = {"user-agent": "burnline-notifier", "connection": "close"} | request.headers
                connection.request("POST", target.path, body=request.body, headers=headers)
                answer = connection.getresponse()
                return judged(answer.status, retry_after=answer.headers["retry-after"])
        finally:
            connection.close()
    except RefusedError as error:
        return Outcome("refused", str(error))
    except TimeoutError:
        return Outcome("again", f"no answer within {timeout_sec:g} s")
    except ssl.SSLCertVerificationError as error:
        return Outcome("again", f"the certificate is not trusted: {error.verify_message}")
    except (OSError, http.client.HTTPException) as error:
        return Outcome("again", _kind_of(error))


def judged(status: int, *, retry_after: str | None = None) -> Outcome:
    """What a status means: a redirect is an answer that we do not follow, so the route is wrong."""
    if 200 <= status < 300:
        return Outcome("done")
    said = f"HTTP {status} {http.client.responses.get(status, '')}".strip()
    if status in _LATER or status >= 500:
        after = retry_after or ""
        return Outcome("again", said, float(after) if after.isascii() and after.isdecimal() else None)
    return Outcome("refused", f"{said}; redirects are not followed" if 300 <= status < 400 else said)


@contextmanager
def _cut_off(sock: socket.socket, *, after_sec: float) -> Iterator[None]:
    """Who still waits for the socket after that long waits no more; a time-out alone ends silences, not trickles."""

    def cut() -> None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(after_sec, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _addresses_of(target: Target, *, secret: bool) -> list[str]:
    """The addresses that may be asked. Raises: RefusedError: one of them may not; OSError: no such name."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        check_address(address, scheme=target.scheme, carries_secret=secret)
    return addresses


class _Pinned(http.client.HTTPConnection):
    """Connects to an address that was judged, as the host that was named."""

    def __init__(self, target: Target, addresses: list[str], *, timeout_sec: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_sec)
        self._addresses = addresses
        self._tls = target.scheme == "https"
        if self._tls:
            self.default_port = 443

    def connect(self) -> None:
        """The socket is open; over https the name is proven. Raises: OSError."""
        for address in self._addresses[:-1]:
            with suppress(OSError):
                self.sock = socket.create_connection((address, self.port), self.timeout)
                break
        else:
            self.sock = socket.create_connection((self._addresses[-1], self.port), self.timeout)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def mail(message: EmailMessage, *, server: MailServer, timeout_sec: float) -> Outcome:
    """What came of the mail: done when the server has taken it for every address."""
    try:
        with ExitStack() as whole:
            smtp = _connected(server, timeout_sec, whole)
            if server.username is not None:
                smtp.login(server.username, server.password or "")
            refused = smtp.send_message(message)
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return _smtp_outcome(max(codes, default=550), "addresses")
    except smtplib.SMTPResponseException as error:
        # A login that fails is a setting that an administrator may be mending.
        code = 450 if isinstance(error, smtplib.SMTPAuthenticationError) else error.smtp_code
        return _smtp_outcome(code, type(error).__name__)
    except smtplib.SMTPException as error:
        return Outcome("again", f"the mail server: {type(error).__name__}")
    except TimeoutError:
        return Outcome("again", f"the mail server does not answer within {timeout_sec:g} s")
    except SettingsError as error:
        return Outcome("again", str(error))
    except OSError as error:
        return Outcome("again", f"the mail server: {_kind_of(error)}")
    if refused:
        return Outcome("refused", f"the mail server took it, but not for {len(refused)} of the addresses")
    return Outcome("done")


def _connected(server: MailServer, timeout_sec: float, whole: ExitStack) -> smtplib.SMTP:
    """Raises: SettingsError: a password would go in the clear; OSError, SMTPException: no such server."""
    if server.security == "none" and server.username is not None:
        raise SettingsError("BURNLINE_NOTIFIER_SMTP_SECURITY is none: a password is not sent in the clear")
    smtp = _Smtp(server, timeout_sec, whole)
    if server.security == "starttls":
        smtp.starttls(context=ssl.create_default_context())
    return smtp


class _Smtp(smtplib.SMTP):
    """A session that is cut off after `MAIL_TIMEOUTS` time-outs, in the middle of a handshake, too."""

    def __init__(self, server: MailServer, timeout_sec: float, whole: ExitStack) -> None:
        self._tls = server.security == "tls"
        self._whole = whole
        whole.callback(self.close)
        super().__init__(server.host, server.port, timeout=timeout_sec)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """The hook of SMTP_SSL, too. The duplicate stays what it is when TLS takes the socket over."""
        sock = socket.create_connection((host, port), timeout)
        self._whole.callback(sock.close)
        line = self._whole.enter_context(sock.dup())
        self._whole.enter_context(_cut_off(line, after_sec=MAIL_TIMEOUTS * timeout))
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host) if self._tls else sock


def _smtp_outcome(code: int, what: str) -> Outcome:
    reason = f"the mail server: {code} ({what})"
    return Outcome("refused" if code >= 500 else "again", reason)


def _kind_of(error: Exception) -> str:
    """The fault without anything that was sent or answered."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}{f': {told}' if told else ''}"[:200]
