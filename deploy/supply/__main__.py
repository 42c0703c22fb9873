"""`python -m deploy.supply sbom|licences|audit|audit-if-reachable`: what Burnline is made of, and what is wrong there.

sbom: the bill of materials as CycloneDX JSON. licences: who has which. audit: known vulnerabilities, and no answer is
an error; `audit-if-reachable` passes, with the reason, where nobody can be asked.
"""

import json
import sys
from pathlib import Path

from deploy.supply.advisories import OSV_URL, known
from deploy.supply.parts import Part, locked
from deploy.supply.sbom import to_cyclonedx
from schemas.errors import StoreUnavailableError

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("sbom", "licences", "audit", "audit-if-reachable")


def main(words: list[str], *, osv_url: str = OSV_URL) -> int:
    """0 when it was printed and nothing is wrong, 1 with what is, 2 with the words that are known."""
    if len(words) != 1 or words[0] not in WORDS:
        sys.stderr.write(f"say one of {', '.join(WORDS)}\n")
        return 2
    parts = locked(ROOT)
    if words == ["sbom"]:
        sys.stdout.write(json.dumps(to_cyclonedx(parts, version="0.1.0"), indent=2) + "\n")
    elif words == ["licences"]:
        for part in parts:
            sys.stdout.write(f"{part.name:<40} {part.version:<16} {part.licence or 'said by nobody in the lock'}\n")
    else:
        return _audit(parts, must=words == ["audit"], osv_url=osv_url)
    return 0


def _audit(parts: list[Part], *, must: bool, osv_url: str) -> int:
    try:
        found = known(parts, url=osv_url)
    except StoreUnavailableError as error:
        sys.stderr.write(f"audit: {'' if must else 'skipped, '}{error}\n")
        return 1 if must else 0
    for one in found:
        sys.stderr.write(f"audit: {one.part.purl} has https://osv.dev/vulnerability/{one.id}\n")
    if not found:
        sys.stdout.write(f"audit: no known vulnerability in {len(parts)} packages and jars\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
