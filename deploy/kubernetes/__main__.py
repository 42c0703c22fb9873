"""`python -m deploy.kubernetes [IMAGE]`: the manifests as JSON, for `kubectl apply -f -`."""

import json
import sys

from deploy.kubernetes.manifests import manifests


def main(words: list[str]) -> None:
    """Prints them, with the image of the command line where one is named."""
    found = manifests(image=words[0]) if words else manifests()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
