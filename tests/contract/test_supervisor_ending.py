"""A supervisor that is told to end while one of its programs takes its time."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.supervisor import Supervisor
from schemas.errors import FatalError

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]
CONFIG = """
[unix_http_server]
file = {socket}
[supervisord]
nodaemon = true
logfile = {directory}/log
pidfile = {directory}/pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:stubborn]
command = {python} -c "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
stdout_logfile = {directory}/said
startsecs = 0
stopwaitsecs = 5
"""


def ask_for_a_while(supervisor: Supervisor) -> None:
    """Longer than it takes the supervisor to begin to end, shorter than the program has to end."""
    for _ in range(100):
        supervisor.processes()
        signal.sigtimedwait([], 0.02)


def test_a_supervisor_that_is_ending_is_no_stack_trace(tmp_path: Path) -> None:
    """Who asks it meanwhile gets the error that ends a process with one line, not the protocol's own."""
    config, socket, said = tmp_path / "c", tmp_path / "s", tmp_path / "said"
    config.write_text(CONFIG.format(socket=socket, directory=tmp_path, python=sys.executable))
    process = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        supervisor = Supervisor(socket)
        while not (said.exists() and said.read_text()):
            assert process.poll() is None
            signal.sigtimedwait([], 0.1)
        assert supervisor.processes()["stubborn"].state == "RUNNING"
        supervisor.shut_down()
        with pytest.raises(FatalError, match="shutting down"):
            ask_for_a_while(supervisor)
        assert not supervisor.answers()
    finally:
        process.wait(timeout=30)
