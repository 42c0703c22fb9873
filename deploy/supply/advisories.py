"""Known vulnerabilities of the locked parts, as OSV has them: Python's packages and Kafka's jars in one question.

Source: https://google.github.io/osv.dev/post-v1-querybatch/
"""

import http.client
import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.supply.parts import Part
from schemas.errors import StoreUnavailableError

OSV_URL = "https://api.osv.dev/v1/querybatch"
_MOST = 1000
"""So many questions OSV takes at once."""
_TIMEOUT_SEC = 5.0


@dataclass(frozen=True)
class Advisory:
    """One part that has a known vulnerability, and its id (https://osv.dev/vulnerability/ID tells more)."""

    part: Part
    id: str


def to_questions(parts: Sequence[Part]) -> bytes:
    """The body of the question: each part by its package URL."""
    return json.dumps({"queries": [{"package": {"purl": part.purl}} for part in parts]}).encode()


def from_answer(parts: Sequence[Part], answer: bytes) -> list[Advisory]:
    """What the answer says of the parts that were asked about. Raises: ValueError: it does not tell of each."""
    said = json.loads(answer)
    results = said.get("results") if isinstance(said, dict) else None
    if not isinstance(results, list) or len(results) != len(parts):
        raise ValueError("the answer does not name every part")
    # A part without a known vulnerability has an empty answer.
    return [
        Advisory(part, str(one["id"]))
        for part, result in zip(parts, results, strict=True)
        for one in result.get("vulns", ())
    ]


def known(parts: Sequence[Part], *, url: str = OSV_URL) -> list[Advisory]:
    """Every known vulnerability of the parts. Raises: StoreUnavailableError: nobody could be asked."""
    found: list[Advisory] = []
    for first in range(0, len(parts), _MOST):
        some = parts[first : first + _MOST]
        asked = urllib.request.Request(url, data=to_questions(some), headers={"content-type": "application/json"})  # noqa: S310  ours
        try:
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_SEC) as answer:  # noqa: S310  ours
                found += from_answer(some, answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StoreUnavailableError(f"the advisories cannot be had from {url} ({error})") from error
    return found
