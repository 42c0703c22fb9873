"""The peers as processes, in an environment made once; a run gives the last word on each key, and its cost."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.programs import REPOSITORY
from schemas.errors import FatalError

LOCK = Path(__file__).parent / "peer_programs" / "requirements.lock"
_MARK = ".peers-ready"
_LOG_TAIL = 1500
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Peer:
    """A system beside ours: how its program is started, how much of the load it is given, what it leaves undone."""

    name: str
    package: str
    words: tuple[str, ...]
    share: float
    without: str


_ALL = "prices are handed to it; no validation, duplicates, budgets or alerts; results stay in memory"
PEERS = (
    Peer("Bytewax", "bytewax", ("with_bytewax",), 1.0, f"recovery off (its default), no transactions; {_ALL}"),
    Peer("Quix Streams", "quixstreams", ("with_quix",), 0.2, f"at least once, changelog on (its default); {_ALL}"),
    Peer(
        "Faust as it comes", "faust-streaming", ("with_faust", "worker", "--without-web", "-l", "error"), 0.1,
        f"at least once, changelog on (it has no other way); {_ALL}",
    ),
)  # fmt: skip
"""The slower, the smaller its share of the events, so that a run takes seconds with each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of a peer said: the last (time, 5 minutes, 1 hour) of each key, and what it took."""

    last: Mapping[str, tuple[int, int, int]]
    cpu_sec: float
    wall_sec: float


def environment_at(folder: Path, say: Say) -> Path:
    """The interpreter of an environment with exactly what the peers' lock file names; made if it is not there yet.

    Raises: FatalError: the packages cannot be installed; the message has pip's last words.
    """
    python, mark = folder / "bin" / "python", folder / _MARK
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text() == wanted:
        return python
    say(f"making an environment for the peers in {folder} (about a minute)")
    venv.create(folder, clear=True, with_pip=True)
    words = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(LOCK))
    done = subprocess.run([python, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FatalError(f"the peers cannot be installed: {done.stderr.strip()[-_LOG_TAIL:]}")
    mark.write_text(wanted)
    return python


def versions_in(python: Path) -> dict[str, str]:
    """The version of each peer in this environment."""
    names = [peer.package for peer in PEERS]
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run_peer(python: Path, peer: Peer, job: Mapping[str, object], *, timeout_sec: float) -> Outcome:
    """A peer has done a job: topic, bootstrap_servers, events, outputs, rates.

    Raises: FatalError: it ended without a result, or is not through in time; the message has its last words.
    """
    with tempfile.TemporaryDirectory(prefix="burnline-peer-", ignore_cleanup_errors=True) as folder:
        asked, log, result = (Path(folder, name) for name in ("job.json", "log", "result.json"))
        asked.write_text(json.dumps({**job, "folder": folder}))
        module, *words = peer.words
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("BURNLINE_", "PYTHON"))
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, "-m", f"deploy.bench.peer_programs.{module}", *words],
                cwd=folder, env={**environment, "PEER_JOB": str(asked), "PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            process.wait(timeout_sec)
        except subprocess.TimeoutExpired as error:
            raise FatalError(f"{peer.name} was not through within {timeout_sec:.0f} s{_words_of(log)}") from error
        finally:
            process.kill()
            process.wait()
        if not result.is_file():
            raise FatalError(f"{peer.name} ended with code {process.returncode} and no result{_words_of(log)}")
        told = json.loads(result.read_text())
    last = {key: (at_us, five_min, hour) for key, (at_us, five_min, hour) in told["last"].items()}
    return Outcome(last, told["cpu_sec"], told["wall_sec"])


def _words_of(log: Path) -> str:
    words = log.read_text(errors="replace").strip()[-_LOG_TAIL:]
    return f":\n{words}" if words else ""


def default_folder() -> Path:
    """Where the environment of the peers is, unless another place is named: beside the packages of this one."""
    return Path(sys.prefix) / "peers"
