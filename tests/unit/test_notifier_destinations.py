"""Where alerts may go: the allow-list, the addresses that are never asked, and the signature of a webhook."""

from datetime import UTC, datetime

import pytest

from schemas.errors import SettingsError
from sinks.notifier.destinations import RefusedError, allowed_from, check_address, check_mail, target_of
from sinks.notifier.signing import signed_headers
from tests.notifier_world import NOW

ALLOWED = allowed_from("hooks.slack.com, alerts.example.com:9093, *.example.org, [::1]:8080, @example.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T/B/X",
        "http://alerts.example.com:9093/x",
        "https://a.example.org/",
        "https://A.B.EXAMPLE.ORG./",
        "http://[::1]:8080/",
    ],
)
def test_a_listed_host_is_a_target(url: str) -> None:
    """A host is listed with its port, or with that of its scheme; case and a dot at the end are nothing."""
    assert target_of(url, ALLOWED).path


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com.evil.example/",
        "https://hooks.slack.com:8443/",
        "https://alerts.example.com/",
        "https://example.org/",
        "https://evilexample.org/",
        "https://hooks.slack.com@evil.example/",
        "ftp://hooks.slack.com/",
        "file:///etc/passwd",
        "https:///x",
        "https://hooks.slack.com/a b",
        "https://hooks.slack.com/\r\nHost: evil",
        "https://hooks.slack.com:99999999/",
        "",
    ],
)
def test_what_is_not_listed_is_refused(url: str) -> None:
    """Another host, another port, a user in front, another scheme, a line end: nothing is sent."""
    with pytest.raises(RefusedError):
        target_of(url, ALLOWED)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0",  # noqa: S104  an address to refuse
     "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "::", "2002:a9fe:a9fe::1", "240.0.0.1",
     "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
def test_addresses_of_metadata_are_never_asked(address: str) -> None:
    """Link-local, metadata, multicast and reserved addresses are refused, however they are written."""
    with pytest.raises(RefusedError):
        check_address(address, scheme="https", carries_secret=False)


def test_secrets_go_over_https_or_stay_on_the_machine() -> None:
    """Plain http carries a secret to loopback only; without one it may go to a private network."""
    for address, scheme, secret in (
        ("127.0.0.1", "http", True),
        ("::1", "http", True),
        ("10.0.0.9", "https", True),
        ("10.0.0.9", "http", False),
    ):
        check_address(address, scheme=scheme, carries_secret=secret)
    with pytest.raises(RefusedError, match="https only"):
        check_address("10.0.0.9", scheme="http", carries_secret=True)


def test_mail_goes_to_listed_domains() -> None:
    """Each address is of a listed domain; a subdomain is another one."""
    check_mail(["ops@example.com", "OPS@EXAMPLE.COM"], ALLOWED)
    for address in ("ops@sub.example.com", "ops@example.com.evil.org"):
        with pytest.raises(RefusedError, match="allow-list"):
            check_mail(["ops@example.com", address], ALLOWED)


@pytest.mark.parametrize("text", ["https://a.example", "a.example/x", "a@b.example", "a*.example", "a.example:x"])
def test_an_entry_of_another_shape_is_no_setting(text: str) -> None:
    """A typing error in the allow-list stops the notifier; it does not open or close a door in silence."""
    with pytest.raises(SettingsError, match="BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS"):
        allowed_from(text)


def test_a_webhook_is_signed_as_standard_webhooks_says() -> None:
    """The published example has the published signature."""
    # Source: https://github.com/standard-webhooks/standard-webhooks, the test vector of its libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    now = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(b'{"test": 2432232314}', message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", secret=secret, now=now)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", ["", "whsec_***"])
def test_an_unusable_signing_secret_is_a_setting_to_mend(secret: str) -> None:
    """An empty secret would sign for everybody, and one that is no base64 is a typing error."""
    with pytest.raises(SettingsError):
        signed_headers(b"{}", message_id="a/1", secret=secret, now=NOW)
