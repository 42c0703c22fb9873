"""An installation of Kafka is whole or absent, whatever the repository, the network and the disk do."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.stack.kafka_fetch import FetchPolicy, repository_at
from deploy.stack.kafka_jars import KafkaInstallation, find_kafka, install_kafka
from deploy.stack.kafka_lock import LockedJar
from schemas.errors import CorruptStateError, SettingsError, TryAgainError

CONTENT = {
    LockedJar("org.apache.kafka", "kafka_2.13", "4.2.2", hashlib.sha256(body).hexdigest(), len(body)): body
    for body in [b"broker" * 1000]
} | {
    LockedJar("org.slf4j", "slf4j-api", "1.7.36", hashlib.sha256(body).hexdigest(), len(body)): body
    for body in [b"log" * 1000]
}
JARS = tuple(CONTENT)
AT_ONCE = FetchPolicy(attempts=3, pause_sec=0.0, timeout_sec=5.0)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Maven repository on disk that serves the two jars."""
    root = tmp_path / "repository"
    for jar, content in CONTENT.items():
        path = root / jar.repository_path
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return root


def install(target: Path, repository: str, policy: FetchPolicy = AT_ONCE) -> KafkaInstallation:
    """The two jars, from this repository."""
    return install_kafka(target, repository=repository, on_progress=lambda *_: None, jars=JARS, policy=policy)


def leftovers(target: Path) -> list[str]:
    """What lies beside the target."""
    return sorted(path.name for path in target.parent.iterdir() if path != target)


def test_an_installation_has_every_jar_and_nothing_beside_it(tmp_path: Path, repository: Path) -> None:
    """The working directory of the download is gone, and progress ends at all bytes."""
    told: list[tuple[int, int]] = []
    target = tmp_path / "env" / "kafka"
    found = install_kafka(
        target, repository=repository.as_uri(), on_progress=lambda *step: told.append(step), jars=JARS, policy=AT_ONCE
    )
    assert {jar.file_name: content for jar, content in CONTENT.items()} == {
        path.name: path.read_bytes() for path in target.iterdir()
    }
    assert found == find_kafka(target, JARS)
    assert found.version == "4.2.2"
    assert (told[-1], leftovers(target)) == ((9_000, 9_000), [])


def test_a_whole_installation_is_not_fetched_again(tmp_path: Path, repository: Path) -> None:
    """The second call needs no repository."""
    install(tmp_path / "kafka", repository.as_uri())
    assert install(tmp_path / "kafka", (tmp_path / "nowhere").as_uri()).version == "4.2.2"


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x" * 6000), lambda path: path.unlink()])
def test_a_damaged_installation_is_replaced(tmp_path: Path, repository: Path, damage: Callable[[Path], None]) -> None:
    """A jar with other bytes, or one that is gone, is noticed and mended."""
    target = tmp_path / "env" / "kafka"
    install(target, repository.as_uri())
    damage(target / JARS[0].file_name)
    install(target, repository.as_uri())
    assert (target / JARS[0].file_name).read_bytes() == CONTENT[JARS[0]]
    assert leftovers(target) == []


def test_other_bytes_under_the_name_are_refused_and_nothing_is_installed(tmp_path: Path, repository: Path) -> None:
    """A changed jar is named, with the setting that helps."""
    (repository / JARS[1].repository_path).write_bytes(b"gol" * 1000)
    target = tmp_path / "env" / "kafka"
    with pytest.raises(CorruptStateError, match=r"slf4j-api-1\.7\.36\.jar .* has sha256 .*BURNLINE_MAVEN_REPOSITORY"):
        install(target, repository.as_uri())
    assert not target.exists()
    assert leftovers(target) == []


def test_a_truncated_jar_is_never_installed(tmp_path: Path, repository: Path) -> None:
    """A download that stays short is told as such, and nothing is left of it."""
    (repository / JARS[1].repository_path).write_bytes(CONTENT[JARS[1]][:-1])
    target = tmp_path / "env" / "kafka"
    with pytest.raises(TryAgainError, match=r"was cut off: it has 2,999 bytes instead of 3,000"):
        install(target, repository.as_uri())
    assert not target.exists()
    assert leftovers(target) == []


def test_a_jar_that_the_repository_lacks_is_named(tmp_path: Path, repository: Path) -> None:
    """The sentence says which jar, where, and what to do."""
    (repository / JARS[1].repository_path).unlink()
    with pytest.raises(TryAgainError, match=r"slf4j-api-1\.7\.36\.jar could not be fetched .* run it again"):
        install(tmp_path / "env" / "kafka", repository.as_uri())


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path, repository: Path) -> None:
    """A file in the way of the target is no traceback."""
    (tmp_path / "env").write_text("a file")
    with pytest.raises(TryAgainError, match=r"Kafka cannot be installed in .*env/kafka: "):
        install(tmp_path / "env" / "kafka", repository.as_uri())


def test_an_installation_that_is_not_whole_is_not_found(tmp_path: Path, repository: Path) -> None:
    """Whoever starts a broker is told to set up first."""
    target = tmp_path / "env" / "kafka"
    with pytest.raises(SettingsError, match="run `make setup`"):
        find_kafka(target, JARS)
    install(target, repository.as_uri())
    (target / JARS[0].file_name).write_bytes(b"half")
    with pytest.raises(SettingsError, match="run `make setup`"):
        find_kafka(target, JARS)


class _Server(ThreadingHTTPServer):
    """A repository that misbehaves a set number of times per jar, then serves."""

    def __init__(self, fault: str, times: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = fault
        self.times = times
        self.asked: list[str] = []
        self.authorization: set[str | None] = set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.removeprefix("/maven2/")
        seen = self.server.asked.count(path)
        self.server.asked.append(path)
        self.server.authorization.add(self.headers["Authorization"])
        content = next(body for jar, body in CONTENT.items() if jar.repository_path == path)
        misbehaves = seen < self.server.times
        status = int(self.server.fault) if misbehaves and self.server.fault.isdigit() else 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:-5] if misbehaves and self.server.fault == "cut" else content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
        """Nothing is printed."""


@pytest.fixture
def serve() -> Iterator[Callable[[str, int], _Server]]:
    """Starts misbehaving repositories, and stops them."""
    servers = []

    def start(fault: str, times: int) -> _Server:
        server = _Server(fault, times)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("fault", ["cut", "503", "429"])
def test_a_passing_fault_of_the_network_is_tried_again(
    tmp_path: Path, serve: Callable[[str, int], _Server], fault: str
) -> None:
    """Two bad answers for each jar, then a good one: installed on the third attempt."""
    server = serve(fault, 2)
    install(tmp_path / "kafka", f"http://127.0.0.1:{server.server_port}/maven2/")
    assert sorted(server.asked) == sorted([jar.repository_path for jar in JARS] * 3)


def test_attempts_have_an_end(tmp_path: Path, serve: Callable[[str, int], _Server]) -> None:
    """A repository that never recovers is given up on after the policy's attempts."""
    server = serve("503", 1000)
    with pytest.raises(TryAgainError, match="it answered 503"):
        install(tmp_path / "kafka", f"http://127.0.0.1:{server.server_port}/maven2")
    assert max(server.asked.count(jar.repository_path) for jar in JARS) == AT_ONCE.attempts


def test_a_refusal_is_final(tmp_path: Path, serve: Callable[[str, int], _Server]) -> None:
    """A 403 is not asked for twice."""
    server = serve("403", 1000)
    with pytest.raises(TryAgainError, match="it answered 403"):
        install(tmp_path / "kafka", f"http://127.0.0.1:{server.server_port}/maven2")
    assert max(server.asked.count(jar.repository_path) for jar in JARS) == 1


def test_a_user_and_password_in_the_address_log_in_and_are_never_printed(
    tmp_path: Path, serve: Callable[[str, int], _Server]
) -> None:
    """The repository sees them as basic authorization, messages do not show them."""
    server = serve("403", 1000)
    with pytest.raises(TryAgainError) as caught:
        install(tmp_path / "kafka", f"http://ada:p%40ss@127.0.0.1:{server.server_port}/maven2")
    assert server.authorization == {"Basic " + base64.b64encode(b"ada:p@ss").decode()}
    assert "p%40ss" not in str(caught.value)
    assert "p@ss" not in str(caught.value)


def test_nobody_listening_is_a_sentence(tmp_path: Path, serve: Callable[[str, int], _Server]) -> None:
    """A refused connection names the repository and the proxy variables."""
    server = serve("cut", 0)
    server.shutdown()
    server.server_close()
    with pytest.raises(TryAgainError, match=r"Connection refused.*HTTPS_PROXY"):
        install(tmp_path / "kafka", f"http://127.0.0.1:{server.server_port}/maven2")


@pytest.mark.parametrize("address", ["ftp://host/maven2", "maven.example.com/maven2", "https://", "C:\\maven"])
def test_only_the_address_of_a_repository_is_one(address: str) -> None:
    """Another scheme, or none, is refused with the setting's name."""
    with pytest.raises(SettingsError, match="BURNLINE_MAVEN_REPOSITORY must be"):
        repository_at(address)
