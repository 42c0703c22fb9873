"""Resolves the jars of one Kafka broker with jgo, for the lock file. Runs when Kafka is upgraded, never at a user's.

Traps, each met once:
- jgo lets every root that it is given manage the versions of the others: resolved together, log4j's own POM put
  kafka-clients 3.9.1 beside a 4.4.0 broker. So the broker is resolved alone, and log4j's binding is added as one jar.
- The broker's POM names no binding of SLF4J; without one it logs nothing.
- The POM of 4.4.0 names kafka-tools-api, of which no 4.4.0 was published; only the console tools use it.
- 4.3.0 to 4.4.0 take a partition that has no leader for a deleted one and never write its transaction's marker
  (KAFKA-20734): nobody reads that partition to its end again. Upgrade only to a version that has it mended.
"""

import hashlib
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from deploy.stack.kafka_fetch import repository_at
from deploy.stack.kafka_lock import LockedJar
from schemas.errors import CorruptStateError

LEFT_OUT = {
    "org.apache.kafka:kafka-tools-api": "console producer and log dumper only",
    "org.scala-lang:scala-reflect": "scala-logging uses it when it is compiled",
    "com.fasterxml.jackson.dataformat:jackson-dataformat-yaml": "log4j configuration in YAML; ours is properties",
    "org.yaml:snakeyaml": "the same",
    "org.jspecify:jspecify": "annotations",
}
_LOG4J_CORE = "org.apache.logging.log4j:log4j-core"
_LOG4J_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl"
_SCOPES = {"compile", "runtime"}


def resolve_kafka(version: str, *, repository: str | None) -> tuple[LockedJar, ...]:
    """The jars that a broker of this version needs at run time, with their hashes as the repository serves them now.

    Raises: CorruptStateError: the resolution holds no log4j, or two versions of Kafka.
    """
    with tempfile.TemporaryDirectory() as cache:
        context = MavenContext(
            repo_cache=Path(cache),
            local_repos=[],
            remote_repos={"repository": repository_at(repository).address},
            timeout=60,
        )
        broker, dependencies = context.resolver.resolve(
            [context.create_dependency(f"org.apache.kafka:kafka_2.13:{version}")]
        )
        artifacts = [found.artifact for found in broker]
        artifacts += [found.artifact for found in dependencies if found.scope in _SCOPES]
        log4j = [found.version for found in artifacts if f"{found.groupId}:{found.artifactId}" == _LOG4J_CORE]
        kafkas = {found.version for found in artifacts if found.groupId == "org.apache.kafka"}
        if len(log4j) != 1 or kafkas != {version}:
            raise CorruptStateError(f"Kafka {version} resolves to log4j {log4j} and Kafka {sorted(kafkas)}")
        artifacts.append(context.create_dependency(f"{_LOG4J_BINDING}:{log4j[0]}").artifact)
        return tuple(
            _locked(found.groupId, found.artifactId, found.version, found.resolve())
            for found in artifacts
            if f"{found.groupId}:{found.artifactId}" not in LEFT_OUT
        )


def _locked(group: str, artifact: str, version: str, path: Path) -> LockedJar:
    content = path.read_bytes()
    return LockedJar(group, artifact, version, hashlib.sha256(content).hexdigest(), len(content))
