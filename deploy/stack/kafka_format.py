"""Formats a broker's directory without Java, from what Kafka's storage tool wrote the first time.

A formatted directory is two files. `bootstrap.checkpoint` says which features the metadata begins with; of one version
of Kafka it differs by its time alone, so the tool's first one is kept in the installation. `meta.properties` says whose
directory it is: its ids are made anew. That saves a start of Java for each state directory but the first.
SCRAM users stand in the checkpoint: where there are any, nothing is kept.
"""

import contextlib
import secrets
import shutil
from base64 import urlsafe_b64encode
from pathlib import Path

from deploy.stack.kafka_config import NODE_ID, to_properties
from deploy.whole_files import whole_file

_CHECKPOINT = "bootstrap.checkpoint"


def new_kafka_id() -> str:
    """A random id as Kafka writes them: 128 bits in 22 letters, none of which is a dash in front."""
    return urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=").replace("-", "A")


def keep_checkpoint(data: Path, kept: Path) -> None:
    """The checkpoint of a directory that the tool has formatted is kept; or not, where the place is not writable."""
    with contextlib.suppress(OSError), whole_file(kept) as file:
        file.write((data / _CHECKPOINT).read_bytes())


def format_from(kept: Path, data: Path, *, cluster_id: str) -> None:
    """The directory, which must not exist yet, is as the tool would have formatted it. Raises: OSError."""
    data.mkdir(mode=0o700)
    shutil.copyfile(kept, data / _CHECKPOINT)
    meta = {"version": "1", "cluster.id": cluster_id, "node.id": str(NODE_ID), "directory.id": new_kafka_id()}
    (data / "meta.properties").write_text(to_properties(meta), encoding="utf-8")
