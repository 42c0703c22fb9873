"""Fetches locked jars from a Maven repository: over HTTPS, with the system's certificates and proxies.

A truncated answer or a passing fault of the network is tried again, a bounded number of times; a refusal and a wrong
hash are final. `file:` addresses work too, for machines without a network.
"""

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import certifi
from jgo.constants import MAVEN_CENTRAL_URL

from deploy.stack.kafka_lock import LockedJar, fault_of
from schemas.errors import CorruptStateError, SettingsError, TryAgainError

REPOSITORY_SETTING = "BURNLINE_MAVEN_REPOSITORY"
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class FetchPolicy:
    """How long a download is tried: `attempts` in all, the n-th pause is n * `pause_sec`."""

    attempts: int = 4
    pause_sec: float = 0.5
    timeout_sec: float = 30.0


@dataclass(frozen=True)
class Repository:
    """A Maven repository; `address` is without user and password, fit for a message."""

    address: str
    authorization: str | None


def repository_at(address: str | None) -> Repository:
    """The repository at this address, Maven Central when there is none.

    `https://user:password@host/path` is understood.

    Raises: SettingsError: it is not an http, https or file address.
    """
    parts = urlsplit((address or MAVEN_CENTRAL_URL).strip().rstrip("/"))
    if parts.scheme not in {"https", "http", "file"} or not (parts.netloc or parts.scheme == "file"):
        raise SettingsError(
            f"{REPOSITORY_SETTING} must be the http, https or file address of a Maven repository, "
            f"such as {MAVEN_CENTRAL_URL} or file:///srv/maven; it begins with {parts.scheme!r}"
        )
    bare = urlunsplit(SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    if parts.username is None:
        return Repository(bare, None)
    user_and_password = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Repository(bare, "Basic " + base64.b64encode(user_and_password).decode())


def fetch(jar: LockedJar, repository: Repository, policy: FetchPolicy) -> bytes:
    """The bytes of the jar, verified against the lock.

    Raises:
        TryAgainError: the repository cannot be reached, or does not have it.
        CorruptStateError: it has something else under that name.
    """
    fault = ""
    for attempt in range(policy.attempts):
        time.sleep(attempt * policy.pause_sec)
        try:
            content = _get(jar, repository, policy)
        except (OSError, http.client.HTTPException) as error:
            fault = _sentence(error)
            if isinstance(error, urllib.error.HTTPError) and error.code not in _PASSING:
                break
            continue
        wrong = fault_of(jar, content)
        if wrong is None:
            return content
        if len(content) >= jar.size_bytes:
            raise CorruptStateError(
                f"{jar.file_name} from {repository.address} {wrong}: a proxy or the repository changes what it serves. "
                f"Nothing was installed. Name a repository that serves the original with {REPOSITORY_SETTING}"
            )
        fault = f"the answer was cut off: it {wrong}"
    raise TryAgainError(
        f"{jar.file_name} could not be fetched from {repository.address}: {fault}. Nothing was installed. "
        f"Check the network and proxy (HTTPS_PROXY, SSL_CERT_FILE), or name another Maven repository with "
        f"{REPOSITORY_SETTING}, and run it again"
    )


def _get(jar: LockedJar, repository: Repository, policy: FetchPolicy) -> bytes:
    request = urllib.request.Request(f"{repository.address}/{jar.repository_path}")  # noqa: S310  repository_at checked the scheme
    if repository.authorization is not None:
        request.add_unredirected_header("Authorization", repository.authorization)
    opened = urllib.request.urlopen(request, timeout=policy.timeout_sec, context=_certificates())  # noqa: S310  as above
    with opened as answer:
        content: bytes = answer.read(jar.size_bytes + 1)
    return content


@cache
def _certificates() -> ssl.SSLContext:
    """The system's certificates (SSL_CERT_FILE is honoured); a Python that knows of none uses those of certifi."""
    paths = ssl.get_default_verify_paths()
    return ssl.create_default_context(cafile=None if paths.cafile or paths.capath else certifi.where())


def _sentence(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
