"""Where alerts may go at all: an allow-list of names, and addresses that nobody may name. Pure.

Laws
1. A host or mail domain that is not on the list is refused, whatever a policy says.
2. An address that tells a machine its own secrets (link-local, metadata of clouds) is refused, also under a name that
   is on the list.
3. What carries a secret goes over https, or to this machine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from schemas.errors import SettingsError

_METADATA = frozenset(
    ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
"""Metadata services that no range covers: AWS over IPv6, Alibaba, Oracle, Azure's wire server."""
_PORTS = {"http": 80, "https": 443}


class RefusedError(Exception):
    """Nothing is sent there; the message says why, and what to change."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The allow-list: `host:port` pairs (`*.` before a suffix), and domains of mail."""

    hosts: frozenset[tuple[str, int | None]]
    mail: frozenset[str]


@dataclass(frozen=True, slots=True)
class Target:
    """Where an http(s) request goes."""

    scheme: str
    host: str
    port: int
    path: str


def allowed_from(text: str) -> Allowed:
    """The allow-list of a setting: `host`, `host:port`, `*.suffix` and `@mail.domain`, comma separated.

    A host without a port means the port of its scheme.
    Raises: SettingsError: an entry is none of these.
    """
    hosts: set[tuple[str, int | None]] = set()
    mail: set[str] = set()
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        if entry.startswith("@") and len(entry) > 1:
            mail.add(entry[1:])
            continue
        try:
            parts = urlsplit(f"//{entry}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or "/" in entry or "@" in entry or "*" in host.removeprefix("*."):
            raise SettingsError(f"BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS: {entry!r} is no host, host:port or @domain")
        hosts.add((host, port))
    return Allowed(frozenset(hosts), frozenset(mail))


def target_of(url: str, allowed: Allowed) -> Target:
    """The parts of the URL. Raises: RefusedError: its host is not on the list (law 1), or it is no URL."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise RefusedError("the destination is no URL") from None
    if parts.scheme not in _PORTS or not host or parts.username is not None or not url.isascii():
        raise RefusedError("the destination is no http(s) URL")
    if any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise RefusedError("the destination has a blank in it")
    if not any(_fits(name, at, host, port, parts.scheme) for name, at in allowed.hosts):
        raise RefusedError(f"{host}:{port} is not on the allow-list (BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS)")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def _fits(name: str, at: int | None, host: str, port: int, scheme: str) -> bool:
    same = host.endswith(name[1:]) and len(host) > len(name) - 1 if name.startswith("*.") else host == name
    return same and port == (_PORTS[scheme] if at is None else at)


def check_mail(addresses: Iterable[str], allowed: Allowed) -> None:
    """Every address is of an allowed domain. Raises: RefusedError: one is not."""
    for address in addresses:
        domain = address.rpartition("@")[2].lower()
        if domain not in allowed.mail:
            raise RefusedError(f"@{domain} is not on the allow-list (BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS)")


def check_address(text: str, *, scheme: str, carries_secret: bool) -> None:
    """The address that a host's name stands for may be asked. Raises: RefusedError (laws 2 and 3)."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        address = inner or address
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
        raise RefusedError(f"{address} is an address that is never asked (link-local, metadata, multicast)")
    if address.is_reserved and not address.is_loopback:
        raise RefusedError(f"{address} is a reserved address")
    if carries_secret and scheme != "https" and not address.is_loopback:
        raise RefusedError("what carries a secret goes over https only")
