"""Secrets in the texts of events that no contract can bound: user agents, tags, claims. Pure.

Laws
1. No value of these fields, and no name of a tag, holds what looks like a secret; all else is as it was sent.
2. All texts of a kind in a batch are looked at at once; only where one holds a secret is each looked at by itself.
Names of users and runs are ids of the emitter's own.
"""

from collections.abc import Mapping
from typing import Any

from schemas.secrets import holds_secret, named_without_secrets, pseudonym

_MAPS = ("tags", "asserted")
_Column = tuple[Any, ...]


def clean_credentials(credentials: list[str]) -> list[str]:
    """The ids of keys; a key itself, sent as its own id, gets a name that does not give it away."""
    return [pseudonym(one) for one in credentials] if _suspicious(credentials) else credentials


def clean_agents(agents: list[str]) -> list[str]:
    """User agents without secrets."""
    if not _suspicious(agents):
        return agents
    return [named_without_secrets(agent) for agent in agents]


def clean_maps(data: Mapping[str, _Column]) -> dict[str, _Column]:
    """Those columns of maps that held a secret, without it; none in nearly every batch."""
    clean: dict[str, _Column] = {}
    for name in _MAPS:
        maps = data.get(name, ())
        if _suspicious([text for held in maps if held for pair in held.items() for text in pair]):
            clean[name] = tuple(held and _clean(held) for held in maps)
    return clean


def _suspicious(texts: list[str]) -> bool:
    return bool(texts) and holds_secret("\n".join(texts).encode(errors="replace"))


def _clean(held: Mapping[str, str]) -> dict[str, str]:
    return {named_without_secrets(name): named_without_secrets(text) for name, text in held.items()}
