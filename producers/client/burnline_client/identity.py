"""Identities of events that nobody named: unique, and in order of time."""

import os
import uuid


def time_ordered_id(unix_ms: int) -> str:
    """A UUID of version 7: 48 bits of time in milliseconds, then 74 random bits. Source: RFC 9562, 5.7."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (unix_ms & (2**48 - 1)) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(uuid.UUID(int=value))
