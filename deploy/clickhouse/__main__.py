"""`python -m deploy.clickhouse --path DIR --port P`: the storage process, in the foreground, until SIGTERM."""

import argparse
import errno
import os
import signal
import sys
import threading
import time
from importlib import resources
from pathlib import Path

import structlog

from deploy.clickhouse.config import GIB, Limits, StorageConfig
from deploy.clickhouse.cut_parts import LOOK_SEC, cut_parts
from deploy.clickhouse.directory import prepare
from deploy.clickhouse.engine import Engine, open_engine
from deploy.clickhouse.numbers import families
from deploy.clickhouse.passwords import Accounts, Role, read_accounts
from deploy.clickhouse.rights import view_names
from deploy.clickhouse.server import Door
from deploy.clickhouse.service import Service
from deploy.json_lines import json_lines
from schemas.errors import BurnlineError, SettingsError
from schemas.numbers_page import serve_numbers

_LOG = structlog.get_logger(process="clickhouse")
_AFTER_KILL_SEC = 5.0
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after a clean end, 2 where it could not start, 3 where running statements would not end.

    4: a part is cut (`cut_parts.py`); the next start puts that right.
    """
    options = _options(arguments)
    config = StorageConfig(
        path=options.path.absolute(),
        port=options.port,
        host=options.host,
        database=options.database,
        memory_bytes=options.memory_bytes,
        query_log=options.query_log,
        limits=Limits(stop_sec=options.stop_sec),
        views=view_names(_migrations()),
    )
    json_lines("clickhouse", to=sys.stdout)
    # Blocked in every thread and waited for below: the engine puts handlers of its own in the place of Python's.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        accounts = read_accounts(
            writer_file=_absolute(options.writer_password_file),
            analyst_file=_absolute(options.analyst_password_file),
            host=config.host,
        )
        directory = prepare(config.path)
        door = _bound_door(config, accounts)
        engine = open_engine(config, directory)
    except BurnlineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return _serve(door, engine, config, look_sec=options.look_sec)


def _serve(door: Door, engine: Engine, config: StorageConfig, *, look_sec: float) -> int:
    service = Service(engine, config, now_sec=time.monotonic)
    door.service = service
    door.server_activate()
    listening = threading.Thread(target=door.serve_forever, name="accept", daemon=True)
    listening.start()
    serve_numbers(lambda: families(service.tally.read()))
    host, port = door.server_address[:2]
    _LOG.info("storage started", host=host, port=port, path=str(config.path), version=engine.version, pid=os.getpid())
    is_cut = _watched(engine, look_sec=look_sec)
    # 1. No new request is taken. 2. Running ones may end. 3. What is left is killed; no cut insert was acknowledged.
    door.stopping.set()
    door.shutdown()
    door.server_close()
    idle = service.tally.wait_idle(config.limits.stop_sec)
    if not idle:
        engine.end_running()
        idle = service.tally.wait_idle(_AFTER_KILL_SEC)
    if idle:
        service.close()
        engine.close()
    _LOG.info(
        "storage stopped", clean=idle, uptime_sec=round(time.monotonic() - door.began_sec, 1), **service.tally.read()
    )
    if not idle:
        sys.stdout.flush()
        os._exit(3)  # the engine cannot be closed under a running statement
    return 4 if is_cut else 0


def _watched(engine: Engine, *, look_sec: float) -> bool:
    """Returns when a signal asks to stop; or when a part is cut, which is then True."""
    while signal.sigtimedwait(_STOP_SIGNALS, look_sec) is None:
        with engine.handle(Role.WRITER) as handle:
            found = cut_parts(handle)
        if found:
            _LOG.error(
                "a full disk cut parts short; ending, so that the next start takes what they were merged of",
                parts=[f"{part.table} {part.name}" for part in found],
            )
            return True
    return False


def _bound_door(config: StorageConfig, accounts: Accounts) -> Door:
    try:
        return Door(config, accounts)
    except OSError as error:
        where = f"{config.host}:{config.port}"
        if error.errno == errno.EADDRINUSE:
            message = f"--port {config.port}: another process uses {where} already; stop it or choose another port"
            raise SettingsError(message) from error
        raise SettingsError(f"--host, --port: cannot listen on {where}: {error.strerror}") from error


def _migrations() -> list[str]:
    folder = resources.files("sinks") / "migrations"
    return [file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")]


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.clickhouse", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="the data directory; made if it does not exist")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one, named in the first log line")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument("--database", default="burnline", help="the database whose views analysts read")
    parser.add_argument("--writer-password-file", type=Path, help="mode 0600; without it there is no user writer")
    parser.add_argument("--analyst-password-file", type=Path, help="mode 0600; without it analysts need no password")
    parser.add_argument("--memory-bytes", type=int, default=4 * GIB, help="what the engine may use (default 4 GiB)")
    parser.add_argument("--query-log", action="store_true", help="keep system.query_log")
    parser.add_argument(
        "--look-sec", type=float, default=LOOK_SEC, help="between two looks for parts that are cut short"
    )
    parser.add_argument("--stop-sec", type=float, default=30.0, help="what runs may end in this time after SIGTERM")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
