"""The bill of materials in CycloneDX's JSON. Pure.

Source: https://cyclonedx.org/docs/1.6/json/
"""

from collections.abc import Sequence
from typing import Any

from deploy.supply.parts import Part


def to_cyclonedx(parts: Sequence[Part], *, version: str) -> dict[str, Any]:
    """The document; the same parts are the same document, byte for byte: no time, no serial number in it."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "burnline", "version": version}},
        "components": [_component(part) for part in sorted(parts, key=lambda part: part.purl)],
    }


def _component(part: Part) -> dict[str, Any]:
    group, _, name = part.name.rpartition("/")
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": name,
        "version": part.version,
        "purl": part.purl,
    }
    if group:
        component["group"] = group
    if len(part.sha256) == 1:  # several are of several files: which one is here is not said by the lock
        component["hashes"] = [{"alg": "SHA-256", "content": part.sha256[0]}]
    if part.licence:
        component["licenses"] = [{"license": {"name": part.licence}}]
    return component
