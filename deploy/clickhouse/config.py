"""What the storage process is told at its start, frozen."""

from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """How much one request, one role and all of them may take."""

    analyst_max_execution_sec: int = 60
    analyst_max_memory_bytes: int = 768 * MIB  # times analyst_concurrent leaves a quarter of the engine's to inserts
    analyst_max_result_bytes: int = 4 * GIB  # of a stream; a whole answer is bounded by the memory
    analyst_max_result_rows: int = 10_000_000
    analyst_max_rows_to_read: int = 2_000_000_000  # about what two threads read in the time that a question has
    analyst_max_threads: int = 2
    analyst_max_query_bytes: int = 1 * MIB
    analyst_concurrent: int = 4
    writer_concurrent: int = 16
    writer_max_query_bytes: int = 64 * MIB  # statements that are read whole; streamed inserts have no bound
    queue_sec: float = 5.0  # a request waits this long for a free place
    connections: int = 256
    sessions: int = 64
    head_sec: float = 15.0  # the whole request line and all headers
    idle_sec: float = 120.0  # between two requests of one connection
    stall_sec: float = 60.0  # without a byte in a body, in either direction
    stop_sec: float = 30.0  # running requests may end in this time after SIGTERM


@dataclass(frozen=True)
class StorageConfig:
    """Where the data lies, where the door is, and what the engine may use."""

    path: Path
    port: int
    host: str = "127.0.0.1"
    database: str = "burnline"
    memory_bytes: int = 4 * GIB
    query_log: bool = False
    views: tuple[str, ...] = ()  # what analysts may read, within `database`
    limits: Limits = field(default_factory=Limits)
