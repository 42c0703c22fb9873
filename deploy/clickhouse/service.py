"""What one request does to the engine: rights, handle, settings, then a query, a stream or an insert. Knows no HTTP."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain

from deploy.clickhouse import errors, guard
from deploy.clickhouse.config import StorageConfig
from deploy.clickhouse.engine import Engine
from deploy.clickhouse.errors import BodyError, StatementError
from deploy.clickhouse.handle import Handle, Statement, quoted
from deploy.clickhouse.numbers import STATEMENT
from deploy.clickhouse.passwords import Role
from deploy.clickhouse.request import Request
from deploy.clickhouse.sessions import Lease, Sessions
from deploy.clickhouse.statement import InsertHead, first_word, insert_head, output, returns_rows

_TO_READ_LESS = {
    158: "Ask about less time, or ask a view of sums such as usage_1h",
    396: "Ask for sums, or for fewer rows with LIMIT",
}
"""What an analyst does about a limit on rows, by ClickHouse's code: of rows read, of rows of the answer."""
_HEAD_BYTES = 256 * 1024  # an insert's head is decided within this; clickhouse-connect sends it alone in front


@dataclass(frozen=True)
class Answer:
    """What is sent back: the format of the rows, None where there are none; the rows; what it took."""

    format: str | None
    blocks: Generator[bytes, None, None]
    counts: Mapping[str, int] = field(default_factory=dict)


class Tally:
    """How many statements began and ended, counted exactly."""

    def __init__(self) -> None:
        self._counts = {"queries": 0, "inserts": 0, "failed": 0, "running": 0}
        self._changed = threading.Condition()

    def add(self, name: str, by: int = 1) -> None:
        """The count of this name has changed."""
        with self._changed:
            self._counts[name] += by
            self._changed.notify_all()

    def read(self) -> dict[str, int]:
        """All counts, as of one moment."""
        with self._changed:
            return dict(self._counts)

    def wait_idle(self, timeout_sec: float) -> bool:
        """Whether no statement runs, now or within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._counts["running"] == 0, timeout_sec)


class Service:
    """Runs requests on the engine, each within its role's limits; `now_sec` is a monotonic clock."""

    def __init__(self, engine: Engine, config: StorageConfig, *, now_sec: Callable[[], float]) -> None:
        self._engine = engine
        self._config = config
        self._now_sec = now_sec
        self._sessions = Sessions(limit=config.limits.sessions, now_sec=now_sec)
        self._places = {
            Role.WRITER: threading.BoundedSemaphore(config.limits.writer_concurrent),
            Role.ANALYST: threading.BoundedSemaphore(config.limits.analyst_concurrent),
        }
        self.tally = Tally()

    @property
    def version(self) -> str:
        """The engine's version."""
        return self._engine.version

    @property
    def timezone(self) -> str:
        """The engine's time zone."""
        return self._engine.timezone

    def close(self) -> None:
        """No session is open any more."""
        self._sessions.close()

    def is_well(self) -> bool:
        """Whether the engine answers."""
        with self._engine.handle(Role.WRITER) as handle:
            return handle.query("SELECT 1", "TSV").data == b"1\n"

    @contextmanager
    def answer(
        self, request: Request, role: Role, body: Iterator[bytes], *, reads_only: bool = False
    ) -> Iterator[Answer]:
        """The answer to the request; its blocks must be read within the block.

        `body` is decompressed; it is read to its end before an insert is stored. `reads_only` refuses all but queries.

        Raises: StatementError: the statement was refused or failed.
        """
        with self._place(role):
            try:
                if role is Role.ANALYST:
                    with self._engine.handle(role, comment=request.query_id) as handle:
                        answer = self._ask(handle, request, body)
                        with closing(answer.blocks):
                            yield answer
                else:
                    with self._lease(request) as lease:
                        answer = self._run(lease, request, body, reads_only=reads_only)
                        with closing(answer.blocks):
                            yield answer
            except StatementError as error:
                self.tally.add("failed")
                if role is Role.ANALYST:
                    raise self._with_views(_advised(error), request) from error
                raise

    @contextmanager
    def _place(self, role: Role) -> Iterator[None]:
        limits = self._config.limits
        if not self._places[role].acquire(timeout=limits.queue_sec):
            most = limits.analyst_concurrent if role is Role.ANALYST else limits.writer_concurrent
            message = f"{most} statements of {role} run already; try again later"
            raise StatementError(errors.TOO_MANY_SIMULTANEOUS_QUERIES, message)
        self.tally.add("running")
        began_sec = self._now_sec()
        try:
            yield
        finally:
            STATEMENT.took(self._now_sec() - began_sec, role)
            self.tally.add("running", -1)
            self._places[role].release()

    def _lease(self, request: Request) -> AbstractContextManager[Lease]:
        def open_handle() -> Handle:
            return self._engine.handle(Role.WRITER, comment=request.query_id)

        return self._sessions.use(request.session, request.settings, open_handle)

    def _run(self, lease: Lease, request: Request, body: Iterator[bytes], *, reads_only: bool) -> Answer:
        handle = lease.handle
        if request.database:
            handle.use(request.database)
        head, text, rest = read_statement(request.query, body, limit=self._config.limits.writer_max_query_bytes)
        if head is not None and not reads_only:
            result = handle.insert(head, chain([text[head.data_at :]], rest))
            self.tally.add("inserts")
            return Answer(None, _once(b""), result.counts)
        sql = _to_sql(text)
        found = handle.classify(sql)
        if reads_only and found.query_class != "READ_ONLY":
            raise StatementError(errors.READONLY, "GET is for queries only; send this statement with POST")
        lease.keep = found.lasts
        return self._query(handle, request, sql, found)

    def _ask(self, handle: Handle, request: Request, body: Iterator[bytes]) -> Answer:
        _, text, _ = read_statement(request.query, body, limit=self._config.limits.analyst_max_query_bytes, whole=True)
        sql = _to_sql(text)
        found = handle.classify(sql)
        if found.count == 0:
            handle.canonical(sql)  # no statement at all: the parser says what is wrong with it, which helps most
        refusal = guard.refusal_of_class(found.query_class, found.count) or guard.refusal_of_database(request.database)
        refusal = refusal or guard.refusal_of_text(handle.canonical(sql), self._engine.functions)
        if refusal is not None:
            raise StatementError(errors.ACCESS_DENIED, refusal)
        handle.set(request.settings)
        handle.use(request.database or self._config.database)
        answer = self._query(handle, request, sql, found)
        return replace(answer, blocks=_advising(answer.blocks))

    def _query(self, handle: Handle, request: Request, sql: str, found: Statement) -> Answer:
        written = output(sql, request.default_format)
        has_rows = returns_rows(sql[:_HEAD_BYTES].encode("utf-8", "replace"), mutates=found.mutates)
        self.tally.add("queries")
        if written.streams and found.count == 1:
            return Answer(written.format, handle.stream(sql, request.default_format, request.params))
        result = handle.query(sql, request.default_format, request.params)
        return Answer(written.format if has_rows else None, _once(result.data), result.counts)

    def _with_views(self, error: StatementError, request: Request) -> StatementError:
        if error.code not in (errors.ACCESS_DENIED, 60, 81):  # unknown table, unknown database
            return error
        database = self._config.database
        with self._engine.handle(Role.ANALYST, comment=request.query_id) as handle:
            sql = f"SELECT name FROM system.tables WHERE database = {quoted(database)}"  # noqa: S608  quoted
            there = set(handle.query(sql, "TSVRaw").data.decode().split())
        views = ", ".join(view for view in self._config.views if view in there) or "none yet"
        return StatementError(error.code, f"{error.message}. Views of {database} that analysts read: {views}")


def read_statement(
    query: str, body: Iterator[bytes], *, limit: int, whole: bool = False
) -> tuple[InsertHead | None, bytes, Iterator[bytes]]:
    """The head of an insert, if it is one whose data follow; the text read so far; what is left of the body.

    The statement is the URL's, then the body's, as one text. Unless it is such an insert, the body is read whole.

    Raises: BodyError: it is longer than `limit` bytes, or the body is cut short.
    """
    text = query.encode("utf-8", "surrogateescape") + (b"\n" if query else b"")
    for chunk in body:
        text += chunk
        head = None if whole or first_word(text[:_HEAD_BYTES]) != "INSERT" else insert_head(text[:_HEAD_BYTES])
        if head is not None and head.data_at < len(text[:_HEAD_BYTES]):
            return head, text, body
        if len(text) > limit:
            message = f"the statement is longer than {limit} bytes; send data in a format behind INSERT ... FORMAT"
            raise BodyError(errors.QUERY_IS_TOO_LARGE, message)
    head = None if whole else insert_head(text[:_HEAD_BYTES])
    return head, text, iter(())


def _advised(error: StatementError) -> StatementError:
    """The error with what an analyst does about it, once."""
    advice = _TO_READ_LESS.get(error.code)
    if advice is None or error.message.endswith(advice):
        return error
    return StatementError(error.code, f"{error.message}. {advice}")


def _advising(blocks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    with closing(blocks):
        try:
            yield from blocks
        except StatementError as error:
            raise _advised(error) from error


def _once(data: bytes) -> Generator[bytes, None, None]:
    yield data


def _to_sql(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape").strip()
