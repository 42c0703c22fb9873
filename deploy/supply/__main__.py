"""`python -m deploy.supply sbom|licences`: the bill of materials as CycloneDX JSON, or who has which licence."""

import json
import sys
from pathlib import Path

from deploy.supply.parts import locked
from deploy.supply.sbom import to_cyclonedx

ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """0 when it was printed, 2 with the two words that are known."""
    if words == ["sbom"]:
        sys.stdout.write(json.dumps(to_cyclonedx(locked(ROOT), version="0.1.0"), indent=2) + "\n")
        return 0
    if words == ["licences"]:
        for part in locked(ROOT):
            sys.stdout.write(f"{part.name:<40} {part.version:<16} {part.licence or 'said by nobody in the lock'}\n")
        return 0
    sys.stderr.write("say sbom or licences\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
