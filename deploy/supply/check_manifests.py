"""Checks a list of Kubernetes manifests against Kubernetes' own schemas; run with `kubernetes-validate` installed.

A file of its own that imports no room: it runs in the environment of `deploy/supply/requirements.lock`, whose schemas
are 100 MB. So CI compares the manifests with the digest of those that were checked last.
"""

import hashlib
import json
import sys
from pathlib import Path

import kubernetes_validate  # type: ignore[import-not-found]  # of another environment

VERSION = "1.33"


def main(path: str, seal: str) -> int:
    """0 when every item is as its schema says, and the file `seal` says so; 1 with what is wrong."""
    raw = Path(path).read_bytes()
    items = json.loads(raw)["items"]
    for item in items:
        try:
            kubernetes_validate.validate(item, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            sys.stderr.write(f"{item['kind']} {item['metadata']['name']}: {error}\n")
            return 1
    Path(seal).write_text(f"{hashlib.sha256(raw).hexdigest()}  Kubernetes {VERSION}\n")
    sys.stdout.write(f"{len(items)} manifests are as Kubernetes {VERSION} wants them\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
