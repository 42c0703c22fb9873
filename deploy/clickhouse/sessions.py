"""The writer's sessions: a kept handle per name, so that temporary tables and SET outlive a request.

1. clickhouse-connect names a session in every request and hardly ever needs one, and a kept handle costs three
   statements more per request: so a session gets its handle with the first statement that leaves something in it (SET,
   USE, CREATE TEMPORARY TABLE). Until then each request has a new one.
2. One request at a time per kept session; a second one fails as in ClickHouse, it does not wait.
3. Settings of a request's URL are undone at its end; SET and USE stay.
4. A session that is idle longer than its time-out is closed; when too many are open, the one idle longest is.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy.clickhouse.errors import SESSION_IS_LOCKED, StatementError
from deploy.clickhouse.handle import Handle, quoted
from deploy.clickhouse.request import Session

_SESSION_NOT_FOUND = 372


@dataclass
class _Kept:
    handle: Handle
    busy: threading.Lock = field(default_factory=threading.Lock)
    until_sec: float = 0.0


@dataclass
class Lease:
    """A handle for one request; with `keep` it becomes the session's when the request ends well."""

    handle: Handle
    keep: bool = False


class Sessions:
    """The open sessions; `now_sec` is a monotonic clock."""

    def __init__(self, *, limit: int, now_sec: Callable[[], float]) -> None:
        self._limit = limit
        self._now_sec = now_sec
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(
        self, session: Session | None, settings: Mapping[str, str], open_handle: Callable[[], Handle]
    ) -> Iterator[Lease]:
        """A handle for one request with these settings: the session's if it has one, else a new one.

        Raises: StatementError: the session is in use, or must exist and does not; a setting is refused.
        """
        kept = self._take(session)
        if kept is not None and session is not None:
            try:
                with _settings_for_one_request(kept.handle, settings):
                    yield Lease(kept.handle)
            finally:
                kept.until_sec = self._now_sec() + session.timeout_sec
                kept.busy.release()
                self.expire()
            return
        lease = Lease(open_handle())
        try:
            lease.handle.set(settings)
            yield lease
            if lease.keep and session is not None:
                lease.handle.reset(settings)
                self._keep(session, lease.handle)
                return
        except BaseException:
            lease.handle.close()
            raise
        lease.handle.close()

    def expire(self) -> None:
        """Sessions whose time is over are closed, and the ones idle longest while there are too many."""
        now_sec = self._now_sec()
        with self._lock:
            by_age = sorted(self._kept, key=lambda name: self._kept[name].until_sec)
            for place, name in enumerate(by_age):
                kept = self._kept[name]
                too_many = len(by_age) - place > self._limit
                if (kept.until_sec <= now_sec or too_many) and kept.busy.acquire(blocking=False):
                    self._kept.pop(name).handle.close()

    def close(self) -> None:
        """Every session is closed; none may be in use."""
        with self._lock:
            for kept in self._kept.values():
                kept.handle.close()
            self._kept.clear()

    def _take(self, session: Session | None) -> _Kept | None:
        if session is None:
            return None
        self.expire()
        with self._lock:
            kept = self._kept.get(session.session_id)
            if kept is None and session.must_exist:
                raise StatementError(_SESSION_NOT_FOUND, f"session {session.session_id} not found")
            if kept is not None and not kept.busy.acquire(blocking=False):
                message = f"session {session.session_id} is in use; one request at a time, or send no session_id"
                raise StatementError(SESSION_IS_LOCKED, message)
            return kept

    def _keep(self, session: Session, handle: Handle) -> None:
        with self._lock:
            before = self._kept.pop(session.session_id, None)
            self._kept[session.session_id] = _Kept(handle, until_sec=self._now_sec() + session.timeout_sec)
        if before is not None and before.busy.acquire(blocking=False):
            before.handle.close()
        self.expire()


@contextmanager
def _settings_for_one_request(handle: Handle, settings: Mapping[str, str]) -> Iterator[None]:
    """The settings are in force within the block, and are what they were before behind it."""
    if not settings:
        yield
        return
    names = ", ".join(quoted(name) for name in settings)
    sql = f"SELECT name, value FROM system.settings WHERE changed AND name IN ({names})"  # noqa: S608  quoted
    known = handle.query(sql, "TSV")
    changed = dict(line.split("\t", 1) for line in known.data.decode("utf-8", "surrogateescape").splitlines())
    handle.set(settings)
    try:
        yield
    finally:
        undo = [f"{name} = {_literal(changed.get(name))}" for name in settings]
        handle.query("SET " + ", ".join(undo), "Null")


def _literal(tsv_value: str | None) -> str:
    return "DEFAULT" if tsv_value is None else "'" + tsv_value.replace("'", "\\'").replace("\\\\'", "\\'") + "'"
