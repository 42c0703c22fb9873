"""The parts of an installation as its lock files name them, and the licence that each package says of itself."""

import re
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_JAR = re.compile(r"^([\w.-]+):([\w.-]+):([\w.-]+) ([0-9a-f]{64}) \d+$")
_CLASSIFIER = "License :: OSI Approved :: "
_LONG = 60


@dataclass(frozen=True)
class Part:
    """One package or jar. `sha256` are the hashes that are accepted; `licence` is empty where nobody said one."""

    kind: str
    name: str
    version: str
    sha256: tuple[str, ...]
    licence: str = ""

    @property
    def purl(self) -> str:
        """Its package URL.

        Source: https://github.com/package-url/purl-spec
        """
        return f"pkg:{self.kind}/{self.name}@{self.version}"


def python_parts(lock: str) -> list[Part]:
    """The packages of a `requirements.lock`, as they stand there."""
    found: list[Part] = []
    for line in lock.splitlines():
        package, known = _PACKAGE.match(line), _HASH.search(line)
        if package is not None:
            name = re.sub(r"[-_.]+", "-", package[1]).lower()
            found.append(Part("pypi", name, package[2], ()))
        if known is not None and found:
            found[-1] = replace(found[-1], sha256=(*found[-1].sha256, known[1]))
    return found


def jar_parts(lock: str) -> list[Part]:
    """The jars of `kafka-jars.lock`, as they stand there."""
    matches = (_JAR.match(line) for line in lock.splitlines())
    return [Part("maven", f"{found[1]}/{found[2]}", found[3], (found[4],)) for found in matches if found]


def licence_of(name: str) -> str | None:
    """What an installed package says of its licence; '' where it says nothing, None where it is not installed."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    fields = said.json
    expression = fields.get("license_expression")
    if expression:
        return str(expression)
    classified = {str(value) for value in fields.get("classifier", ()) if str(value).startswith(_CLASSIFIER)}
    if classified:
        return " AND ".join(value.removeprefix(_CLASSIFIER) for value in sorted(classified))
    text = str(fields.get("license", "")).strip()
    return text if len(text) <= _LONG and "\n" not in text else text.split("\n", 1)[0][:_LONG]


def installed(parts: list[Part]) -> list[Part]:
    """Those that are installed here, with their licences; others are for other machines."""
    return [replace(part, licence=said) for part in parts if (said := licence_of(part.name)) is not None]


def locked(root: Path) -> list[Part]:
    """Everything that this checkout locks: packages that are installed here, and jars."""
    packages = installed(python_parts((root / "requirements.lock").read_text()))
    return packages + jar_parts((root / "deploy" / "stack" / "kafka-jars.lock").read_text())
