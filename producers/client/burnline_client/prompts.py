"""Keyed fingerprints of prompts, and a rough size where a provider said none. Pure; no prompt leaves these functions.

A fingerprint is an HMAC-SHA256 under the caller's own key of the prompt with white space folded: equal prompts have
equal fingerprints, and without the key nobody can try texts against them. It begins with the name of its key, so that
fingerprints of two keys are never compared. Without a key there are no fingerprints.
"""

from __future__ import annotations

import hmac
import unicodedata
from typing import Any

import msgspec

from burnline_client.usage_leaves import Json
from burnline_client.values import known_fields

_PREFIX = ("system", "instructions", "tools", "functions")
_WHOLE = (*_PREFIX, "messages", "input", "prompt")
_NO_TEXT = frozenset({"image_url", "url", "data", "file_data", "source", "audio", "input_audio", "encrypted_content"})
_STANDING = ("system", "developer")
_BYTES_PER_TOKEN = 4


def keyed(key: bytes, kind: bytes, data: bytes) -> str:
    """`<name of the key>-<32 hex digits>`; `kind` keeps equal bytes of different meaning apart."""
    name = hmac.digest(key, b"burnline key", "sha256").hex()[:6]
    told = hmac.digest(key, kind + b":" + data, "sha256").hex()[:32]
    return f"{name}-{told}"


def fingerprints(request: Json, key: bytes | None) -> dict[str, str]:
    """The fingerprints of the whole prompt and of what stands before the conversation (system, tools)."""
    if not key:
        return {}
    prefix = {field: request[field] for field in _PREFIX if request.get(field)}
    if standing := _standing(request.get("messages") or request.get("input")):
        prefix["messages"] = standing
    whole = {field: request[field] for field in _WHOLE if request.get(field)}
    return known_fields(
        prompt_fingerprint=keyed(key, b"prompt", _bytes(whole)) if whole else None,
        prefix_fingerprint=keyed(key, b"prefix", _bytes(prefix)) if prefix else None,
    )


def estimated_input_tokens(request: Json) -> int | None:
    """A quarter of the bytes of the prompt's texts, rounded up; None where it has none. Pictures are not counted."""
    size = sum(_text_bytes(request.get(field)) for field in _WHOLE)
    return -(-size // _BYTES_PER_TOKEN) if size else None


def _standing(messages: object) -> list[Any]:
    """The messages before the first that is not the system's."""
    found: list[Any] = []
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict) or message.get("role") not in _STANDING:
            break
        found.append(message)
    return found


def _bytes(value: object) -> bytes:
    return msgspec.json.encode(_folded(value), order="sorted")


def _folded(value: object) -> object:
    if isinstance(value, str):
        return " ".join((value if value.isascii() else unicodedata.normalize("NFC", value)).split())
    if isinstance(value, dict):
        return {str(key): _folded(held) for key, held in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_folded(held) for held in value]
    return value


def _text_bytes(value: object) -> int:
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value.encode("utf-8", "replace"))
    if isinstance(value, dict):
        return sum(_text_bytes(held) for key, held in value.items() if key not in _NO_TEXT)
    if isinstance(value, list):
        return sum(_text_bytes(held) for held in value)
    return 0
