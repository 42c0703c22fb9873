"""The last leg of a heartbeat: whether ClickHouse has it, asked as an analyst would."""

import http.client
import urllib.request
from base64 import b64encode

from schemas.connection import ClickHouseSettings
from schemas.errors import BurnlineError

_QUESTION = b"SELECT toUnixTimestamp64Micro(max(sent_at)) FROM heartbeats WHERE received_at > now() - INTERVAL 1 DAY"
_TIMEOUT_SEC = 2.0


def newest_stored_us(settings: ClickHouseSettings) -> int | None:
    """When the newest heartbeat that ClickHouse has was sent, microseconds since 1970; None where that is not known.

    A request by hand: the process that asks has no other use for a driver.
    """
    import ssl  # noqa: PLC0415  most stacks have no use for it

    try:
        reached = settings.to_client()
        password = f"{reached['username']}:{reached['password']}".encode()
        asked = urllib.request.Request(  # noqa: S310  the settings allow http(s) only
            f"{settings.url.rstrip('/')}/?database={settings.database}",
            data=_QUESTION,
            headers={"authorization": f"Basic {b64encode(password).decode()}"},
        )
        trust = ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file else None
        with urllib.request.urlopen(asked, timeout=_TIMEOUT_SEC, context=trust) as answer:  # noqa: S310  as above
            said = int(answer.read(64))
    except (OSError, ValueError, http.client.HTTPException, BurnlineError):
        return None
    return said or None
