"""Who lives, as the operating system knows it."""

import os
import subprocess
import sys

from deploy.stack.processes import lives


def test_who_has_ended_does_not_live_though_nobody_has_waited_for_it() -> None:
    """We live; a process that has ended does not, before its parent waits for it and afterwards."""
    assert lives(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert lives(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not lives(child.pid)
    child.communicate()
    assert not lives(child.pid)
