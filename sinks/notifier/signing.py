"""Webhooks are signed, so that a receiver knows who sent them, and when. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (read 2026-11).
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from schemas.errors import SettingsError

_PREFIX = "whsec_"


def signed_headers(body: bytes, *, message_id: str, secret: str, now: datetime) -> dict[str, str]:
    """The headers `webhook-id`, `webhook-timestamp` (whole seconds of UTC) and `webhook-signature` (HMAC-SHA256).

    Raises: SettingsError: the secret begins with `whsec_` and is no base64 after it, or is empty.
    """
    timestamp = str(int(now.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


def _key(secret: str) -> bytes:
    if not secret:
        raise SettingsError("the signing secret is empty")
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError("the signing secret begins with whsec_ but is no base64 after it") from error
