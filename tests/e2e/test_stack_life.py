"""The life of a stack: up, asked, hurt, restarted, killed, up again, down. One stack, in this order.

Long because it is one story: a stack of its own for each part would cost more than all of them together.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from deploy.stack.kafka_users import USERS
from deploy.stack.processes import processes_of
from deploy.stack.programs import PAGED
from tests.cli_stack import ROOT, SET, TRACE, Stack, started
from tests.open_ports import listening, public, shut

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
HANG_SEC = 25
DEATHS = (("rating",), ("sink",), ("burn", "patterns"), ("clickhouse",), ("kafka",))
"""Who dies together: burn and patterns read different logs of rating's, and neither waits for the other."""
SERVERS = ("clickhouse", "kafka")
SPEED = "90x"  # the hour of the trace takes 40 s, long enough to meet every death

PARTS = ("kafka", "clickhouse", "rating", "burn", "patterns", "sink")
BUDGET = '[[budget]]\nid = "code"\norg = "acme"\nscope = { team = "code" }\nlimit = 5\n'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for the story of this file; its watchdog is impatient."""
    impatient = {"BURNLINE_WATCHDOG_HANG_SEC": str(HANG_SEC), "BURNLINE_WATCHDOG_LOOK_SEC": "1"}
    yield from started(tmp_path_factory.mktemp("life") / "state", impatient)


def wait_until(condition: Callable[[], bool], *, what: str, timeout_sec: float = 60) -> None:
    """The condition holds. Fails after `timeout_sec`."""
    deadline = time.monotonic() + timeout_sec
    tick = select_nothing()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_sec:.0f} s for {what}")
        next(tick)


def select_nothing() -> Iterator[None]:
    """Each step lets a tenth of a second pass."""
    while True:
        signal.sigtimedwait([], 0.1)
        yield


def stack_id(stack: Stack) -> str:
    """The id that all its processes carry."""
    return str(json.loads((stack.state_dir / "stack.json").read_text())["stack_id"])


def pids(stack: Stack) -> dict[str, int]:
    """The process of each part."""
    parts = stack.status()["parts"]
    return {name: parts[name]["pid"] for name in PARTS}


def names_of(stack: Stack) -> list[str]:
    """What nobody without a credential may read: passwords, the organisation, its team and its budget's owner."""
    secrets = [path.read_text().strip() for path in (stack.state_dir / "secrets").iterdir() if path.suffix != ".toml"]
    return ["acme", "dana", *secrets]


def healthy(stack: Stack) -> bool:
    """Whether every part is."""
    return bool(stack.status()["health"] == "ok")


def numbers(url: str) -> list[str]:
    """The lines of the page for Prometheus; none while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=30) as page:  # noqa: S310  our own page
            return str(page.read().decode()).splitlines()
    except OSError:
        return []


def test_up_returns_when_all_is_healthy(stack: Stack) -> None:
    """Right after `up`, `status` finds each part running and healthy, and ends with 0."""
    said = stack.run("status", "--json")
    found = json.loads(said.stdout)
    parts = {part["name"]: part for part in found["components"]}
    assert {name: parts[name]["health"] for name in (*PARTS, "notifier")} == dict.fromkeys((*PARTS, "notifier"), "ok")
    assert all(psutil.pid_exists(parts[name]["pid"]) for name in PARTS)
    wait_until(lambda: bool(numbers(found["metrics_url"])), what="the page of numbers")  # its process starts last
    lines = numbers(found["metrics_url"])
    assert [f'burnline_part_up{{part="{name}"}} 1.0' in lines for name in PARTS] == [True] * len(PARTS)
    assert {line.split("{")[0] for line in lines} >= {"burnline_lag_records", "burnline_part_memory_bytes"}
    pages = [page["targets"][0] for page in json.loads((stack.state_dir / "prometheus.json").read_text())]
    wait_until(lambda: all(numbers(f"http://{page}/metrics") for page in pages), what="the pages of all processes")


def test_second_up_says_that_it_runs(stack: Stack) -> None:
    """Nothing is started twice."""
    before = pids(stack)
    assert "runs already" in stack.run("up").stdout
    assert pids(stack) == before


def test_passwords_stand_in_files_only(stack: Stack) -> None:
    """No command line, environment, log or configuration of the stack holds a password."""
    secrets = [path.read_text().strip() for path in (stack.state_dir / "secrets").iterdir()]
    texts = [path.read_text(errors="replace") for path in (stack.state_dir / "logs").iterdir()]
    texts += [(stack.state_dir / name).read_text() for name in ("stack.json", "supervisord.conf")]
    for found in processes_of(stack_id(stack)):
        texts += [found.command, *found.process.environ().values()]
    assert len(secrets) == 2 + len(USERS)
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_every_listening_port_is_in_the_table(stack: Stack) -> None:
    """What listens is on loopback, and is a line of docs/ports.md: as many ports of a part as the table names."""
    found = listening(stack)
    assert {address for _, address, _ in found} == {"127.0.0.1"}
    table = (ROOT / "docs" / "ports.md").read_text().partition("\nWith `docker compose")[0]
    told = Counter(re.findall(r"^\| (\w+)[^|]* \|", table, flags=re.MULTILINE)[1:])
    listens = Counter(part for part, _, _ in found)
    assert {part: count for part, count in listens.items() if count > told[part]} == {}
    record = json.loads((stack.state_dir / "stack.json").read_text())
    named = {value for name, value in record.items() if name.endswith("_port") and value}
    named |= set(record["numbers_ports"].values())
    assert {port for _, _, port in found} <= named


def test_nobody_does_anything_without_a_login(stack: Stack) -> None:
    """Neither Kafka's ports nor ClickHouse's serve a client without a password, and services are no operators."""
    assert shut(stack) == {}
    for _, _, port in listening(stack):
        plain = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        with pytest.raises(KafkaException):
            plain.list_topics(timeout=0.4)
    port = json.loads((stack.state_dir / "stack.json").read_text())["clickhouse_port"]
    for user in ("", "default", "analyst", "writer"):
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/?query=SELECT+1&user={user}")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(asked, timeout=30)  # noqa: S310  loopback
    told: list[str] = []
    for user in ("emitters", "subscribers", "sink"):
        producer = Producer(stack.login(user))
        producer.produce("usage.policies", b"{}", on_delivery=lambda error, _: told.append(error.name()))
        producer.flush(30)
    assert told == ["TOPIC_AUTHORIZATION_FAILED"] * 3


def test_busy_port_is_a_sentence(stack: Stack, tmp_path: Path) -> None:
    """A second stack on the same port is refused with who holds it and how to choose another; nothing starts."""
    port = stack.bootstrap_servers().rpartition(":")[2]
    other = Stack(tmp_path / "other")
    refused = other.run("up", "--kafka-port", port, "--clickhouse-port", "0", check=False)
    assert refused.returncode == 1
    assert f"port {port} for Kafka is taken by java" in refused.stderr
    assert f"of the Burnline stack in {stack.state_dir}" in refused.stderr
    assert "--kafka-port 0" in refused.stderr
    assert not (tmp_path / "other" / "stack.json").exists()


def test_topics_are_created_once(stack: Stack) -> None:
    """`topics apply` finds everything as planned, and the broker has exactly the planned topics."""
    assert stack.run("topics", "apply").stdout == "nothing to create\n"
    planned = json.loads(stack.run("topics", "plan", "--json").stdout)["topics"]
    assert len(planned) == len({topic["name"] for topic in planned})


def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    """A fresh stack is as it should be."""
    findings = json.loads(stack.run("doctor", "--json").stdout)
    assert [finding for finding in findings if finding["verdict"] == "wrong"] == []


def test_policies_are_in_force_when_apply_returns(stack: Stack, tmp_path: Path) -> None:
    """A file is applied once; again it is no change; a mistake is refused by name; a removal takes it away."""
    file = tmp_path / "budget.toml"
    file.write_text(BUDGET)
    assert "in force (policy offset 0)" in stack.run("apply", str(file), "--actor", "dana").stdout
    assert "nothing changed" in stack.run("apply", str(file)).stdout
    file.write_text(BUDGET.replace("limit", "limt"))
    refused = stack.run("apply", str(file), check=False)
    assert refused.returncode == 1
    assert 'unknown key "limt"; did you mean "limit"?' in refused.stderr
    history = json.loads(stack.run("policies", "--history", "--json").stdout)
    assert [(change["actor"], change["files"]) for change in history] == [("dana", ["budget.toml"])]


def test_drain_of_an_idle_stack_is_done(stack: Stack) -> None:
    """Where nothing was produced, everything is stored."""
    assert "everything produced so far is stored" in stack.run("drain", "--timeout", "60").stdout


def seen_alive(stack: Stack, pid: int) -> bool:
    """Whether the watchdog has seen this process do something; before, it is given longer, as it may recover."""
    lines = (stack.state_dir / "logs/watchdog.log").read_text().splitlines()
    return any(one.get("pid") == pid and "first sign of life" in one["event"] for one in map(json.loads, lines))


def test_frozen_stage_is_named_then_ended_then_back(stack: Stack) -> None:
    """Frozen, burn makes the stack degraded and a drain fail with its name; then it is killed, and all is well."""
    pid = stack.status()["parts"]["burn"]["pid"]
    wait_until(lambda: seen_alive(stack, pid), what="the watchdog to see burn work", timeout_sec=60)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: bool(stack.status()["parts"]["burn"]["lag"]), what="something that frozen burn has not read")
    drained = stack.run("drain", "--timeout", "3", "--json", check=False)
    assert drained.returncode == 1
    assert {one["stage"] for one in json.loads(drained.stdout)["missing"]} == {"burn"}
    wait_until(lambda: stack.status()["health"] == "degraded", what="burn to be called degraded", timeout_sec=HANG_SEC)
    assert "has said nothing on internal.deltas" in stack.status()["parts"]["burn"]["why"]

    def back() -> bool:
        now = stack.status()
        return now["parts"]["burn"]["pid"] not in {pid, None} and now["health"] == "ok"

    wait_until(back, what="burn to be killed and started anew", timeout_sec=120)
    stack.run("drain", "--timeout", "60")
    assert "hung, killed" in (stack.state_dir / "logs/watchdog.log").read_text()


def test_nobody_else_was_killed(stack: Stack) -> None:
    """The watchdog leaves the living alone."""
    parts = stack.status()["parts"]
    assert {name: part["restarts"] for name, part in parts.items() if name != "burn"} == dict.fromkeys(
        ("kafka", "clickhouse", "rating", "patterns", "sink", "notifier"), 0
    )


def kill_and_see_their_work_done(stack: Stack, *names: str) -> None:
    """The processes die at once and others do their work: a stage has moved on, or all is done; a server answers."""
    before = stack.status()["parts"]
    for name in names:
        os.kill(before[name]["pid"], signal.SIGKILL)

    def works(name: str) -> bool:
        now = stack.status()["parts"][name]
        if now["pid"] in (None, before[name]["pid"]) or now["health"] == "down":
            return False
        moved = (now["position"] or 0) > (before[name]["position"] or 0)
        return name in SERVERS or moved or now["lag"] == 0

    wait_until(lambda: all(works(name) for name in names), what=f"{' and '.join(names)} to work again", timeout_sec=90)


def revise(stack: Stack, folder: Path, *, revision: int) -> None:
    """The charge of two days, all of them due, costs 100 USD more than in the revision before."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    file = folder / f"charge-{revision}.csv"
    file.write_text(
        "id,revision,kind,amount_usd,service_from,service_until,org,team\n"
        f"desks,{revision},seat,{revision}00.000000000001,{yesterday},{yesterday + timedelta(days=2)},acme,code\n"
    )
    stack.run("replay", "charges", str(file))


@pytest.mark.timeout(600)
@pytest.mark.skipif(not TRACE.exists(), reason="the Azure trace is not beside this checkout (shared/data)")
def test_sums_are_exact_after_each_process_was_killed_during_a_replay(stack: Stack, tmp_path: Path) -> None:
    """Requests, tokens and debits equal those of the files in events, rollup, budget, whatever died on the way."""
    command = [sys.executable, "-m", "deploy", "replay", "azure-llm", str(TRACE), "--speed", SPEED, *SET]
    with subprocess.Popen(
        command, env=stack.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as replay:
        for revision, names in enumerate(DEATHS, start=1):
            revise(stack, tmp_path, revision=revision)
            kill_and_see_their_work_done(stack, *names)
        wait_until(lambda: healthy(stack), what="all of them to be healthy", timeout_sec=90)
        _, said = replay.communicate(timeout=300)
    assert replay.returncode == 0, said.decode()[-2000:]
    stack.run("drain", "--timeout", "120")
    with TRACE.open() as lines:
        rows = list(csv.DictReader(lines))
    expected = {
        "requests": str(len(rows)),
        "input_tokens": str(sum(int(row["ContextTokens"]) for row in rows)),
        "output_tokens": str(sum(int(row["GeneratedTokens"]) for row in rows)),
    }
    tokens = "toString(sum(input_tokens)) AS input_tokens, toString(sum(output_tokens)) AS output_tokens"
    for view, count in (("usage_events", "count()"), ("usage_15m", "sum(requests)"), ("usage_1h", "sum(requests)")):
        assert stack.rows(f"SELECT toString({count}) AS requests, {tokens} FROM {view}") == [expected], view
    now = "budget_id = 'code' AND period_start > '2026-01-01'"
    debited = f"SELECT toString(sum(spent)) AS usd FROM budget_states WHERE {now}"
    stands = "SELECT toString(sum(amount_usd)) AS usd FROM charges"
    days = "SELECT toString(sum(amount_usd)) AS usd FROM charges_daily"
    assert [stack.rows(query) for query in (debited, stands, days)] == [[{"usd": "500.000000000001"}]] * 3
    restarts = {name: part["restarts"] for name, part in stack.status()["parts"].items() if name in PARTS}
    assert [name for name, times in restarts.items() if not times] == []


def test_killed_stack_starts_again_from_its_state(stack: Stack) -> None:
    """With the supervisor killed and its orphans alive, `up` ends them and goes on with the same state."""
    supervisor = next(found for found in processes_of(stack_id(stack)) if found.is_supervisor())
    supervisor.process.kill()
    wait_until(lambda: not supervisor.process.is_running(), what="the supervisor to be gone")
    orphans = {found.process.pid for found in processes_of(stack_id(stack))}
    assert len(orphans) >= len(PARTS)
    assert "does not run" in stack.run("drain", check=False).stderr
    assert "of a stack that was not stopped" in stack.run("up", "--collector", "--collector-port", "0").stderr
    assert stack.status()["parts"]["collector"]["health"] == "ok"
    assert "collector" in {part for part, _, _ in listening(stack)}
    assert shut(stack) == {}
    said = public(stack)
    assert set(said) == {("clickhouse", "/ping"), ("clickhouse", "/health"), ("collector", "/health")} | {
        (part, "/metrics") for part in (*PAGED, "watchdog")
    }
    assert not [where for where, text in said.items() for name in names_of(stack) if name in text]
    assert not orphans & {found.process.pid for found in processes_of(stack_id(stack))}
    assert [policy["id"] for policy in json.loads(stack.run("policies", "--json").stdout)] == ["code"]


def test_heartbeats_go_from_the_collector_to_clickhouse(stack: Stack) -> None:
    """The first leg and the last are told: the collector's own came through, and ClickHouse has the newest."""
    page = str(json.loads(stack.run("status", "--json").stdout)["metrics_url"])
    legs = ("burnline_collector_heartbeat_age_seconds ", "burnline_heartbeat_stored_age_seconds ")

    def are_young() -> bool:
        ages = [float(line.split(" ")[1]) for line in numbers(page) if line.startswith(legs)]
        return len(ages) == len(legs) and max(ages) < 60

    wait_until(are_young, what="heartbeats of the collector, and in ClickHouse")


def test_removed_policy_is_out_of_force(stack: Stack) -> None:
    """`--remove` takes a policy away; the history keeps it."""
    stack.run("apply", "--remove", "budget/acme/code")
    assert json.loads(stack.run("policies", "--json").stdout) == []
    assert len(json.loads(stack.run("policies", "--history", "--json").stdout)) == 2


def test_every_line_of_a_log_has_the_same_fields(stack: Stack) -> None:
    """Whatever our processes said until now, through kills and new starts: who, when, how bad, what."""
    lines = {
        path.stem: [line for line in path.read_text().splitlines() if line]
        for path in (stack.state_dir / "logs").glob("*.log")
        if path.stem not in {"kafka", "supervisord"}
    }
    assert set(lines) == {*PARTS, "notifier", "watchdog", "collector"} - {"kafka"}
    other = {line for said in lines.values() for line in said if not line.startswith("{")}
    assert other == set()
    fields = {name: [set(json.loads(line)) for line in said] for name, said in lines.items()}
    assert [
        name for name, found in fields.items() if not all({"process", "at", "level", "event"} <= one for one in found)
    ] == []
    assert {json.loads(said[0])["process"] for said in lines.values()} == set(lines)


def test_down_leaves_no_process(stack: Stack) -> None:
    """`down` drains and stops every process of the stack; a second one says that nothing runs."""
    assert "stopped, everything is stored" in stack.run("down").stdout
    assert processes_of(stack_id(stack)) == []
    assert "was not running" in stack.run("down").stdout
    assert "down" in stack.run("status", check=False).stdout
