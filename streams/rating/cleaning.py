"""Secrets in the texts of events that no contract can bound: user agents, tags, claims. Pure.

Laws
1. No value of these fields, and no name of a tag, holds what looks like a secret; all else is as it was sent.
2. All texts of a batch are looked at at once; only where one holds a secret is each looked at by itself.
Names of users, keys and runs are ids of the emitter's own; a key that is sent as its own id is columns.py's.
"""

from collections.abc import Mapping
from typing import Any

from schemas.secrets import holds_secret, named_without_secrets

_MAPS = ("tags", "asserted")
_Column = tuple[Any, ...]


def without_secrets(data: Mapping[str, _Column]) -> dict[str, _Column]:
    """Those columns that held a secret, without it; none in nearly every batch."""
    agents = data["user_agent"]
    texts: list[str] = [agent for agent in set(agents) if agent is not None]
    for name in _MAPS:
        for held in filter(None, data[name]):
            texts.extend(held)
            texts.extend(held.values())
    if not texts or not holds_secret("\n".join(texts).encode(errors="replace")):
        return {}
    clean = {"user_agent": tuple(agent and named_without_secrets(agent) for agent in agents)}
    return clean | {name: tuple(held and _clean(held) for held in data[name]) for name in _MAPS}


def _clean(held: Mapping[str, str]) -> dict[str, str]:
    return {named_without_secrets(name): named_without_secrets(text) for name, text in held.items()}
