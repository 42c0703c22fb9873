"""The supervisor's configuration as text. It listens on a unix socket only; no port, no password, no secret in it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.stack.layout import Layout
from deploy.stack.programs import Program
from schemas.errors import SettingsError

_SUPERVISOR = """\
[supervisord]
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
loglevel = info
pidfile = {pidfile}
directory = {repository}
umask = 077
minfds = 1024
nocleanup = true
strip_ansi = false
{user}
[unix_http_server]
file = {socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
# A process that dies is started anew at once; one that dies within its first 5 s waits 1, 2, 3 ... s longer each time.
_PROGRAM = """
[program:{name}]
command = {command}
directory = {repository}
autostart = {autostart}
autorestart = true
startsecs = 5
startretries = 1000000
stopsignal = TERM
stopwaitsecs = {stop_sec}
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
{environment}"""


def render(
    programs: Sequence[Program], layout: Layout, *, socket: Path, repository: Path, running_as_root: bool = False
) -> str:
    """The whole configuration file. Raises: SettingsError: a path in it cannot be written there."""
    parts = [
        _SUPERVISOR.format(
            logs=_value(str(layout.logs)),
            pidfile=_value(str(layout.supervisor_pid)),
            repository=_value(str(repository)),
            socket=_value(str(socket)),
            user="user = root\n" if running_as_root else "",
        )
    ]
    parts += [
        _PROGRAM.format(
            name=program.name,
            command=_value(shlex.join(program.command)),
            repository=_value(str(repository)),
            autostart="true" if program.first else "false",
            stop_sec=program.stop_sec,
            log=_value(_value(str(layout.log(program.name)))),  # the supervisor expands this one twice
            environment=_environment(program.environment),
        )
        for program in programs
    ]
    return "".join(parts)


def _environment(variables: Mapping[str, str]) -> str:
    """The line that gives a program these variables, or nothing."""
    if not variables:
        return ""
    return "environment = " + ",".join(f"{name}={_quoted(value)}" for name, value in variables.items()) + "\n"


def _quoted(text: str) -> str:
    """Raises: SettingsError: the text has both kinds of quotation marks, which the supervisor's parser cannot read."""
    mark = "'" if '"' in text else '"'
    if mark in text:
        raise SettingsError(f"{text!r} cannot be used: it has both kinds of quotation marks in it")
    return mark + _value(text) + mark


def _value(text: str) -> str:
    """A value as the supervisor's parser gives it back: it expands %(...)s and cuts off comments.

    Raises: SettingsError: there is no way to write this path there.
    """
    if any(part in text for part in (" ;", " #", "\n", "\r", "\t")):
        raise SettingsError(f"the path {text!r} cannot be used: it has a line end, ' ;' or ' #' in it")
    return text.replace("%", "%%")
