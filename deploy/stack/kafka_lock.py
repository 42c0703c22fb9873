"""Which jars Kafka is made of, to the byte. Pure.

The lock file has one line per jar, `group:artifact:version sha256 size`, sorted; lines that begin with # are comments.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import CorruptStateError

_LINE = re.compile(
    r"(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):(?P<version>[\w.-]+) (?P<sha256>[0-9a-f]{64}) (?P<size>\d+)"
)
_BROKER = "org.apache.kafka:kafka_2.13"


@dataclass(frozen=True, order=True)
class LockedJar:
    """One jar that the broker needs, and what its bytes must be."""

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def coordinate(self) -> str:
        """How Maven names it."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """Its name in a repository and in an installation."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def repository_path(self) -> str:
        """Where a Maven repository keeps it, below the repository's address.

        Source: https://maven.apache.org/repositories/layout.html
        """
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"


def from_lock(text: str) -> tuple[LockedJar, ...]:
    """The jars of a lock file, in its order.

    Raises: CorruptStateError: a line is not of the form, or no broker is among them.
    """
    jars = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise CorruptStateError(
                f"line {number} of the Kafka lock file is not 'group:artifact:version sha256 size': {line!r}; "
                "take the file from version control"
            )
        jars.append(LockedJar(match["group"], match["artifact"], match["version"], match["sha256"], int(match["size"])))
    kafka_version(jars)
    return tuple(jars)


def to_lock(jars: Iterable[LockedJar]) -> str:
    """The lock file of these jars."""
    ordered = sorted(jars)
    head = (
        f"# Apache Kafka {kafka_version(ordered)}: the jars of one broker, as `group:artifact:version sha256 size`.\n"
        f"# Made by `python -m deploy.stack.kafka_jars lock {kafka_version(ordered)}`; not edited by hand.\n"
    )
    return head + "".join(f"{jar.coordinate} {jar.sha256} {jar.size_bytes}\n" for jar in ordered)


def kafka_version(jars: Iterable[LockedJar]) -> str:
    """The version of the broker among these jars.

    Raises: CorruptStateError: there is none.
    """
    for jar in jars:
        if f"{jar.group}:{jar.artifact}" == _BROKER:
            return jar.version
    raise CorruptStateError(f"the Kafka lock file names no {_BROKER}; take the file from version control")


def fault_of(jar: LockedJar, content: bytes) -> str | None:
    """What is wrong with these bytes as this jar, as the end of a sentence; None when they are the jar."""
    if len(content) != jar.size_bytes:
        return f"has {len(content):,} bytes instead of {jar.size_bytes:,}"
    digest = hashlib.sha256(content).hexdigest()
    if digest != jar.sha256:
        return f"has sha256 {digest} instead of {jar.sha256}"
    return None
