"""The storage process as a supervisor sees it: it starts or says why not, ends cleanly, loses nothing when killed.

Long because each way to start, to stop and to break is a case of its own.
"""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.stack_clickhouse import ROOT, URL_VARIABLE, ClickHouse, started_clickhouse

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(URL_VARIABLE in os.environ, reason="the process of a real server is not ours to start and kill"),
]


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[ClickHouse]:
    """A storage process of this test's own."""
    running = started_clickhouse(tmp_path)
    yield running
    running.stop()


def refused(*options: str) -> str:
    """What the process says when it does not start."""
    command = [sys.executable, "-m", "deploy.clickhouse", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    return done.stderr


def connected(storage: ClickHouse) -> socket.socket:
    """A bare connection."""
    return socket.create_connection((storage.host, storage.port), timeout=60)


def writer_head(storage: ClickHouse, query: str) -> bytes:
    """The head of an insert in chunks."""
    token = b64encode(f"{storage.writer_user}:{storage.writer_password}".encode())
    return (
        b"POST /?query=%b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %b\r\nTransfer-Encoding: chunked\r\n\r\n"
        % (query.replace(" ", "+").encode(), token)
    )


def test_it_logs_one_line_at_start_and_one_at_its_end(tmp_path: Path) -> None:
    """Both are JSON; the end is clean, and the exit code 0."""
    storage = started_clickhouse(tmp_path)
    with storage.client() as client:
        client.command("SELECT 1")
    assert storage.started["event"] == "storage started"
    code, logged = storage.stop()
    lines = [json.loads(line) for line in logged.splitlines()]
    assert [(line["event"], line["clean"]) for line in lines] == [("storage stopped", True)]
    assert code == 0


def test_the_data_belong_to_one_user(storage: ClickHouse) -> None:
    """Neither group nor others can enter."""
    assert storage.path is not None
    assert stat.S_IMODE(storage.path.stat().st_mode) == 0o700


def test_a_second_process_is_told_who_owns_the_directory(storage: ClickHouse) -> None:
    """One process owns a directory; the message names it."""
    assert storage.process is not None
    said = refused("--path", str(storage.path), "--port", "0")
    assert f"process {storage.process.pid} has it open" in said


def test_a_busy_port_is_a_sentence(storage: ClickHouse, tmp_path: Path) -> None:
    """And the directory is left alone."""
    said = refused("--path", str(tmp_path / "other"), "--port", str(storage.port))
    assert f"another process uses 127.0.0.1:{storage.port}" in said


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """The message names the path and the reason."""
    (tmp_path / "file").write_text("")
    said = refused("--path", str(tmp_path / "file" / "data"), "--port", "0")
    assert "cannot write there: Not a directory" in said
    assert "? & # %" in refused("--path", str(tmp_path / "a?b"), "--port", "0")


def test_a_table_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """Broken metadata stops the start with the engine's own reason."""
    storage = started_clickhouse(tmp_path)
    with storage.client(database="burnline") as client:
        client.command("CREATE TABLE broken_one (a UInt8) ENGINE = MergeTree ORDER BY a")
    storage.stop()
    assert storage.path is not None
    (file,) = storage.path.glob("store/*/*/broken_one.sql")
    file.write_text("this is no SQL")
    said = refused("--path", str(storage.path), "--port", "0")
    assert "broken_one" in said
    assert "metadata" in said


def test_a_configuration_that_lies_about_is_not_read(tmp_path: Path) -> None:
    """A config.xml in the working or home directory of whoever starts the process changes nothing."""
    evil = "<clickhouse><path>/nonexistent</path><max_server_memory_usage>no</max_server_memory_usage></clickhouse>"
    home = tmp_path / "home"
    (home / ".clickhouse-local").mkdir(parents=True)
    for file in (home / "config.xml", home / ".clickhouse-local" / "config.xml"):
        file.write_text(evil)
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "deploy.clickhouse", "--path", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "storage started"
        process.terminate()


def test_without_password_files_there_are_only_analysts(tmp_path: Path) -> None:
    """The safe default on loopback: anybody of this machine reads views, nobody writes."""
    command = [sys.executable, "-m", "deploy.clickhouse", "--path", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        open_door = ClickHouse(
            port=json.loads(process.stdout.readline())["port"], analyst_user="default", analyst_password=""
        )
        with open_door.client("analyst") as client:
            assert client.query("SELECT 1").result_rows == [(1,)]
        with pytest.raises(ClickHouseError):
            open_door.client("writer")
        process.terminate()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of inserts, three times: no acknowledged row is lost, the directory opens again at once."""
    storage = started_clickhouse(tmp_path)
    with storage.client(database="burnline") as client:
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1")
    acknowledged: list[int] = []
    for round_ in range(3):
        enough = threading.Event()

        def write(first: int, enough: threading.Event = enough) -> None:
            with contextlib.suppress(ClickHouseError), storage.client(database="burnline") as client:
                for number in range(first, first + 100_000):
                    client.insert("t", [[number]] * 100, column_names=["a"])
                    acknowledged.append(number)
                    if number - first == 20:
                        enough.set()

        writer = threading.Thread(target=write, args=(round_ * 100_000,))
        writer.start()
        assert enough.wait(60)
        storage.stop(signal.SIGKILL)
        writer.join()
        storage.start()
    with storage.client(database="burnline") as client:
        found = dict(client.query("SELECT a, count() FROM t GROUP BY a").result_rows)
    storage.stop()
    assert dict.fromkeys(acknowledged, 100).items() <= found.items()
    assert set(found.values()) == {100}
    assert len(found) - len(acknowledged) <= 3


def test_a_part_that_a_full_disk_cut_short_is_found_and_its_rows_are_there(tmp_path: Path) -> None:
    """The process ends by itself and says why; started anew, it has every row."""
    storage = started_clickhouse(tmp_path, "--look-sec", "0.2")
    try:
        with storage.client(database="burnline") as client:
            client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
            for number in range(3):
                client.insert("t", [[number]])
            client.command("OPTIMIZE TABLE t FINAL")
            [(path,)] = client.query("SELECT path FROM system.parts WHERE table = 't' AND active").result_rows
        for file in Path(path).iterdir():
            os.truncate(file, 0)
        assert storage.process is not None
        assert storage.process.wait(60) == 4
        assert "a full disk cut parts short" in storage.stop()[1]
        storage.start()
        with storage.client(database="burnline") as client:
            assert client.query("SELECT groupArray(a) FROM (SELECT a FROM t ORDER BY a)").result_rows == [([0, 1, 2],)]
        assert storage.stop()[0] == 0
    finally:
        storage.stop()


def test_a_running_insert_ends_before_the_process(storage: ClickHouse) -> None:
    """SIGTERM lets it finish and be acknowledged; new requests are turned away."""
    with storage.client(database="burnline") as client:
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    with connected(storage) as connection:
        connection.sendall(writer_head(storage, "INSERT INTO burnline.t FORMAT CSV") + b"2\r\n1\n\r\n")
        wait_for_running(storage, 1)
        assert storage.process is not None
        storage.process.send_signal(signal.SIGTERM)
        wait_until_closed(storage)
        connection.sendall(b"2\r\n2\n\r\n0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    code, logged = storage.stop()
    assert (code, json.loads(logged)["clean"]) == (0, True)
    storage.start()
    with storage.client(database="burnline") as client:
        assert client.query("SELECT groupArray(a) FROM t").result_rows == [([1, 2],)]


def test_a_statement_that_will_not_end_is_killed_at_the_end(tmp_path: Path) -> None:
    """The supervisor's patience is finite: what still runs after --stop-sec is killed, the engine closed cleanly."""
    storage = started_clickhouse(tmp_path, "--stop-sec", "0.1")
    token = b64encode(f"{storage.writer_user}:{storage.writer_password}".encode())
    sql = b"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    with connected(storage) as connection:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %b\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (token, len(sql)) + sql)
        wait_for_running(storage, 1)
        code, logged = storage.stop()
        assert (code, json.loads(logged)["clean"]) == (0, True)
        assert b"QUERY_WAS_CANCELLED" in connection.recv(65536)


@pytest.mark.parametrize("tail", [b"", b"5\r\n3\n", b"zz\r\n"])
def test_a_connection_that_breaks_in_an_insert_stores_nothing(storage: ClickHouse, tail: bytes) -> None:
    """The rows that had come are dropped, at any place of the cut."""
    with storage.client(database="burnline") as client:
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        with connected(storage) as connection:
            connection.sendall(writer_head(storage, "INSERT INTO burnline.t FORMAT CSV") + b"2\r\n1\n\r\n" + tail)
        wait_for_running(storage, 0)
        assert client.query("SELECT count() FROM t").result_rows == [(0,)]


def health(storage: ClickHouse) -> dict[str, Any]:
    """What /health says."""
    with connected(storage) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    report: dict[str, Any] = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    return report


def wait_for_running(storage: ClickHouse, count: int) -> None:
    """As many statements run; one minute at most."""
    ends = time.monotonic() + 60
    while health(storage)["running"] != count:
        assert time.monotonic() < ends


def wait_until_closed(storage: ClickHouse) -> None:
    """Nobody listens on the port any more; one minute at most."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            connected(storage).close()
        except ConnectionRefusedError:
            return
        except ConnectionError:
            continue
    pytest.fail("the port stayed open")


def test_more_connections_than_allowed_are_turned_away(storage: ClickHouse) -> None:
    """The door answers 503 at once, and is open again when others have left."""
    with contextlib.ExitStack() as stack:
        for _ in range(256):
            stack.enter_context(connected(storage))
        with connected(storage) as one_more:
            assert one_more.recv(12) == b"HTTP/1.1 503"
    ends = time.monotonic() + 60
    while True:
        with connected(storage) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if connection.recv(12) == b"HTTP/1.1 200":
                break
        assert time.monotonic() < ends


def test_heads_without_end_are_refused(storage: ClickHouse) -> None:
    """A line that is too long and too many headers cost nothing and leave the door open."""
    for head in (b"GET /" + b"a" * 70_000, b"GET /ping HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n"):
        with connected(storage) as connection:
            connection.sendall(head + b" HTTP/1.1\r\n\r\n")
            assert connection.recv(10) == b"HTTP/1.1 4"
    assert health(storage)["status"] == "ok"


def test_a_backup_goes_to_its_own_folder_and_comes_back(storage: ClickHouse) -> None:
    """BACKUP writes below the data directory and nowhere else; RESTORE reads it again."""
    with storage.client(database="burnline") as client:
        client.command("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        client.insert("t", [[1], [2]], column_names=["a"])
        client.command("BACKUP TABLE t TO Disk('backups', 'first')")
        client.command("RESTORE TABLE t AS restored FROM Disk('backups', 'first')")
        assert client.query("SELECT sum(a) FROM restored").result_rows == [(3,)]
        assert storage.path is not None
        assert (storage.path / "backups" / "first").is_dir()
        for place in (f"File('{storage.path.parent}/elsewhere/')", "Disk('default', 'x')", "Disk('backups', '../x')"):
            with pytest.raises(ClickHouseError):
                client.command(f"BACKUP TABLE t TO {place}")


def test_idle_memory_is_modest(storage: ClickHouse) -> None:
    """An idle process takes less than 450 MB."""
    assert storage.process is not None
    status = Path(f"/proc/{storage.process.pid}/status").read_text()
    resident_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    assert resident_kb < 450_000
