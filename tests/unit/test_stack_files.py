"""State directories, ports, configuration of the supervisor: what a stack may take, and how it says that it may not.

Long because the cases share one state directory fixture and are read as one list.
"""

import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from deploy.doctor import examine
from deploy.stack.configure import configure
from deploy.stack.find import Stack, connections, find_stack
from deploy.stack.layout import Layout, claim, furnish, layout_at
from deploy.stack.lock import locked
from deploy.stack.ports import Wanted, free_port, require_free
from deploy.stack.processes import STACK_ID_VARIABLE, end_processes, processes_of
from deploy.stack.programs import PAGED, REPOSITORY, Program, programs_of, targets_of
from deploy.stack.record import StackRecord, ensure_secrets, ensure_tokens, read_record, write_record
from deploy.stack.supervisor import socket_path
from deploy.stack.supervisor_config import render
from producers.collector.grants import read_grants
from schemas.errors import SettingsError

PORTS = Wanted(kafka=0, clickhouse=0)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A claimed state directory."""
    found = layout_at(tmp_path / "state")
    claim(found)
    furnish(found)
    return found


def test_state_is_for_its_user_only(layout: Layout) -> None:
    """Directories have mode 0700, passwords 0600, and two stacks have different ones."""
    ensure_secrets(layout)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (layout.root, layout.logs, layout.writer_password)}
    assert list(modes.values()) == [0o700, 0o700, 0o600]
    assert layout.writer_password.read_text() != layout.analyst_password.read_text()


def test_foreign_content_is_refused_and_untouched(tmp_path: Path) -> None:
    """A directory with somebody's file in it is not taken, and nothing is made in it."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match=r"thesis\.txt"):
        claim(layout_at(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_failed_first_start_does_not_spoil_the_directory(tmp_path: Path) -> None:
    """What a start leaves that was refused for its ports is no foreign content to the next one."""
    found = layout_at(tmp_path / "state")
    for _attempt in range(2):
        claim(found)
        with locked(found, say=lambda _text: None), pytest.raises(SettingsError, match="a port is a number"):
            configure(found, read_record(found), {}, Wanted(kafka=70_000))


def test_directory_with_another_stack_beside_is_taken(tmp_path: Path, layout: Layout) -> None:
    """`.burnline` may hold the state of the demo in a folder of its own."""
    write_record(layout, configure(layout, None, {}, PORTS))
    claim(layout_at(tmp_path))


def test_file_is_no_state_directory(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "state").write_text("")
    with pytest.raises(SettingsError, match="is a file"):
        claim(layout_at(tmp_path / "state"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_no_write_permission_is_a_sentence(tmp_path: Path) -> None:
    """A directory that may not be written is refused with what to do."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SettingsError, match="choose one that you may write to"):
            claim(layout_at(tmp_path / "state"))
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["50% off", "a#b", "what?", "a,b", "a;b", "line\nend"])
def test_path_that_a_part_cannot_have_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """A character that Kafka, ClickHouse or the supervisor trips over is named before anything is made."""
    with pytest.raises(SettingsError, match="choose another with --state-dir"):
        claim(layout_at(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_a_sentence() -> None:
    """Also root cannot make a directory in the kernel's own file system."""
    with pytest.raises(SettingsError, match="--state-dir"):
        claim(layout_at(Path("/proc/burnline/state")))


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def test_busy_port_names_holder_and_flag(taken: int) -> None:
    """The sentence says which port, for what, who holds it, and how to choose another."""
    with pytest.raises(SettingsError) as refusal:
        require_free(taken, of="Kafka", flag="--kafka-port")
    said = str(refusal.value)
    assert f"port {taken} for Kafka is taken by" in said
    assert f"(process {os.getpid()})" in said
    assert "--kafka-port 0" in said


def test_chosen_ports_are_kept(layout: Layout) -> None:
    """A stack that was started on free ports comes back on the same ones."""
    first = configure(layout, None, {}, PORTS)
    assert configure(layout, first, {}, Wanted()) == first
    assert configure(layout, first, {}, PORTS) == first


def test_free_choice_gives_way_and_fixed_port_does_not(layout: Layout, taken: int) -> None:
    """A port that was left to us is chosen anew when somebody took it; one that the user chose is an error."""
    free = configure(layout, None, {}, PORTS).model_copy(update={"kafka_port": taken})
    assert configure(layout, free, {}, Wanted()).kafka_port != taken
    fixed = free.model_copy(update={"free_ports": ()})
    with pytest.raises(SettingsError, match=str(taken)):
        configure(layout, fixed, {}, Wanted())


def test_offset_moves_both_ports(layout: Layout) -> None:
    """Two stacks run side by side with one number."""
    offset = free_port() - 9092
    record = configure(layout, None, {}, Wanted(offset=offset, clickhouse=0))
    assert record.kafka_port == 9092 + offset


def test_external_parts_are_used_and_remembered(layout: Layout, tmp_path: Path) -> None:
    """Settings of an external Kafka are kept with whole paths, and no Kafka is among the programs."""
    given = {
        "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": "broker:9093",
        "BURNLINE_KAFKA_SASL_PASSWORD_FILE": os.path.relpath(tmp_path / "password"),
        "BURNLINE_KAFKA_TOPIC_PREFIX": "team-a.",
    }
    record = configure(layout, None, given, PORTS)
    again = configure(layout, record, {}, Wanted())
    assert (again.kafka, again.clickhouse, again.settings) == ("external", "own", record.settings)
    assert record.settings["BURNLINE_KAFKA_SASL_PASSWORD_FILE"] == str(tmp_path / "password")
    assert Stack(layout, record).kafka().topic("usage.events") == "team-a.usage.events"
    assert "kafka" not in {program.name for program in programs_of(record, layout, kafka_command=())}


def test_where_alerts_may_go_is_remembered(layout: Layout, tmp_path: Path) -> None:
    """Settings of the notifier outlive the shell that started the stack; secrets of routes have a place of theirs."""
    given = {
        "BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS": "alerts.example.com",
        "BURNLINE_NOTIFIER_SMTP_PASSWORD_FILE": os.path.relpath(tmp_path / "smtp"),
    }
    again = configure(layout, configure(layout, None, given, PORTS), {}, Wanted())
    environment = Stack(layout, again).environment(
        {"BURNLINE_NOTIFIER_SMTP_HOST": "stray", "BURNLINE_SECRET_HOOK": "s"}
    )
    told = {
        name: value for name, value in environment.items() if name.startswith(("BURNLINE_NOTIFIER_", "BURNLINE_SE"))
    }
    assert told == {
        "BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS": "alerts.example.com",
        "BURNLINE_NOTIFIER_SMTP_PASSWORD_FILE": str(tmp_path / "smtp"),
        "BURNLINE_NOTIFIER_SECRETS_DIR": str(layout.route_secrets),
        "BURNLINE_SECRET_HOOK": "s",
    }
    assert "BURNLINE_SECRET_HOOK" not in again.settings


def test_a_collector_is_there_once_it_was_asked_for(layout: Layout) -> None:
    """Off at first, on when asked, as last time when not, off when said; its file of tokens lets nobody in."""
    first = configure(layout, None, {}, PORTS)
    asked = configure(layout, first, {}, Wanted(collects=True, collector=0))
    again = configure(layout, asked, {}, Wanted())
    off = configure(layout, again, {}, Wanted(collects=False))
    assert (first.collector_port, off.collector_port) == (0, 0)
    assert again.collector_port == asked.collector_port > 0
    names = [{program.name for program in programs_of(one, layout, kafka_command=())} for one in (again, off)]
    assert names[0] - names[1] == {"collector"}
    ensure_tokens(layout)
    assert read_grants(layout.collector_tokens) == {}


def test_every_page_of_numbers_is_found_by_prometheus(layout: Layout) -> None:
    """Each process has a port of its own that stays; it is told, and so is service discovery."""
    assert set(configure(layout, None, {}, PORTS).numbers_ports) == set(PAGED) - {"collector"}
    record = configure(layout, None, {}, Wanted(kafka=0, clickhouse=0, collector=0, collects=True))
    again = configure(layout, record, {}, Wanted())
    assert again.numbers_ports == record.numbers_ports
    assert len({*record.numbers_ports.values(), record.metrics_port}) == len(PAGED) + 1
    told = {
        program.name: program.environment["BURNLINE_METRICS_PORT"]
        for program in programs_of(record, layout, kafka_command=())
        if "BURNLINE_METRICS_PORT" in program.environment
    }
    assert told == {name: str(port) for name, port in record.numbers_ports.items()}
    pages = {one["labels"]["process"]: one["targets"] for one in targets_of(record)}
    assert pages == {
        name: [f"127.0.0.1:{port}"] for name, port in {**told, "watchdog": str(record.metrics_port)}.items()
    }


def test_the_port_of_metrics_is_any_free_one_and_stays(layout: Layout) -> None:
    """Nobody has to choose it, a scrape finds it where it was, and who wants another says so."""
    first = configure(layout, None, {}, PORTS)
    assert configure(layout, first, {}, Wanted()).metrics_port == first.metrics_port > 0
    other = free_port()
    assert configure(layout, first, {}, Wanted(metrics=other)).metrics_port == other
    with pytest.raises(SettingsError, match="asked for twice"):
        configure(layout, None, {}, Wanted(kafka=other, clickhouse=0, metrics=other))


def test_own_stack_does_not_become_external(layout: Layout) -> None:
    """A state directory with its own Kafka is not pointed elsewhere by a variable."""
    own = configure(layout, None, {}, PORTS)
    with pytest.raises(SettingsError, match="runs its own Kafka"):
        configure(layout, own, {"BURNLINE_KAFKA_BOOTSTRAP_SERVERS": "broker:9093"}, Wanted())


def test_environment_holds_no_password(layout: Layout) -> None:
    """Children find files, never secrets, and nothing of the caller's connection settings."""
    ensure_secrets(layout)
    record = configure(layout, None, {}, PORTS)
    environment = Stack(layout, record).environment({"HOME": "/", "BURNLINE_KAFKA_SASL_USERNAME": "stray"})
    secret = layout.writer_password.read_text().strip()
    assert secret not in "".join(environment.values())
    assert environment["BURNLINE_KAFKA_SASL_USERNAME"] == "operator"
    assert environment["BURNLINE_CLICKHOUSE_USER"] == "writer"


def test_caller_settings_do_not_reach_a_named_stack(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack is reached by what it remembers, whatever this shell says."""
    record = configure(layout, None, {}, PORTS)
    monkeypatch.setenv("BURNLINE_KAFKA_TOPIC_PREFIX", "stray.")
    stack = Stack(layout, record)
    assert (stack.kafka().topic_prefix, stack.clickhouse().user) == ("", "analyst")


def test_stack_that_does_not_run_is_a_sentence(layout: Layout) -> None:
    """A question to a stopped stack says how to start it, at once."""
    write_record(layout, configure(layout, None, {}, PORTS))
    with pytest.raises(SettingsError, match="does not run; start it with: burnline up"):
        connections(layout.root, {})


def test_doctor_says_how_to_start_this_stack_and_no_other(layout: Layout) -> None:
    """`burnline up` alone would start another one, in `.burnline`."""
    write_record(layout, configure(layout, None, {}, PORTS))
    (finding,) = [finding for finding in examine(layout.root, {}) if finding.what == "stack"]
    assert (finding.says, finding.mend) == ("does not run", f"burnline up --state-dir {layout.root}")


def test_missing_stack_is_a_sentence(tmp_path: Path) -> None:
    """A directory without a stack says how to start one."""
    with pytest.raises(SettingsError, match="burnline up --state-dir"):
        find_stack(tmp_path, {})


def test_wrong_setting_is_named(layout: Layout) -> None:
    """A value that cannot be used is named by its variable."""
    given = {"BURNLINE_KAFKA_BOOTSTRAP_SERVERS": "b:1", "BURNLINE_KAFKA_SECURITY_PROTOCOL": "plain"}
    with pytest.raises(SettingsError, match="BURNLINE_KAFKA_SECURITY_PROTOCOL=plain"):
        Stack(layout, configure(layout, None, given, PORTS)).kafka()


def test_record_of_another_version_is_refused(layout: Layout) -> None:
    """What this version cannot read is not guessed at."""
    layout.record.write_text('{"format": 2}')
    with pytest.raises(SettingsError, match="not readable by this version"):
        read_record(layout)


@pytest.mark.parametrize("name", ["plain", "with space", "quote's", 'double"quote', "umlaut-ü"])
def test_supervisor_reads_back_what_is_written(tmp_path: Path, name: str) -> None:
    """Commands and paths survive the supervisor's own parser, whatever a directory is called."""
    layout = layout_at(tmp_path / name)
    claim(layout)
    furnish(layout)
    command = (sys.executable, "-c", "print('a b %s')", str(layout.root))
    text = render([Program("one", command, stop_sec=5)], layout, socket=layout.root / "s", repository=REPOSITORY)
    layout.supervisor_config.write_text(text)
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_config)])
    config = options.process_group_configs[0].process_configs[0]
    assert shlex.split(config.command) == list(command)
    assert (config.stdout_logfile, config.stopwaitsecs) == (str(layout.log("one")), 5)


def test_path_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    """A path that the supervisor's parser would cut is refused, not cut."""
    layout = layout_at(tmp_path / "a #b")
    with pytest.raises(SettingsError, match="cannot be used"):
        render([], layout, socket=layout.root / "s", repository=REPOSITORY)


def test_long_paths_get_a_short_socket(tmp_path: Path) -> None:
    """Unix sockets have short names only; a deep state directory gets one elsewhere, its own."""
    near = socket_path(Layout(Path("/srv/burnline")), stack_id="aa")
    deep = Layout(tmp_path / ("x" * 100))
    assert near == Path("/srv/burnline/supervisor.sock")
    assert len(str(socket_path(deep, stack_id="aa"))) <= 90
    assert socket_path(deep, stack_id="aa") != socket_path(deep, stack_id="bb")


def test_only_processes_of_the_stack_are_ended() -> None:
    """A process is known by the stack's id in its environment; others are left alone."""
    sleep = [sys.executable, "-c", "import signal; signal.pause()"]
    mine = subprocess.Popen(sleep, env={**os.environ, STACK_ID_VARIABLE: "stack-a"})
    other = subprocess.Popen(sleep, env={**os.environ, STACK_ID_VARIABLE: "stack-b"})
    try:
        ended: list[int] = []
        end_processes("stack-a", on_end=lambda found: ended.append(found.process.pid))
        assert ended == [mine.pid]
        assert processes_of("stack-a") == []
        assert [found.process.pid for found in processes_of("stack-b")] == [other.pid]
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def test_record_survives_writing(layout: Layout) -> None:
    """What is written is what is read."""
    record = configure(layout, None, {}, PORTS)
    write_record(layout, record)
    assert read_record(layout) == record
    assert isinstance(record, StackRecord)


def test_no_free_port_is_given_out_twice() -> None:
    """The parts of a stack choose their ports one after the other, before any of them listens."""
    assert len({free_port() for _ in range(1_000)}) == 1_000
