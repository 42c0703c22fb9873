"""Everything that a running stack holds, as bytes to look for planted text in: topics, tables, logs, status."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator

import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

from deploy.stack.find import find_stack
from deploy.store_client import client
from schemas.internal import from_arrow_bytes
from tests.cli_stack import Stack

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_DATA = ("kafka", "clickhouse")
"""Folders of the state directory that hold compressed data: what is in them is asked for."""


def holdings(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """(where, bytes) of every record, table, log and state file, and of what `status` says."""
    yield from _records(stack)
    yield from _tables(stack)
    yield "status", json.dumps(stack.status(), default=str).encode()
    for path in sorted(stack.state_dir.rglob("*")):
        if path.is_file() and path.relative_to(stack.state_dir).parts[0] not in _DATA:
            yield f"file {path.relative_to(stack.state_dir)}", path.read_bytes()


def unpacked(raw: bytes) -> bytes:
    """The bytes, with what stands in them in base64 beside it."""
    parts = (match.group() for match in _BASE64.finditer(raw))
    return b"\n".join([raw, *(b64decode(part[: len(part) // 4 * 4]) for part in parts)])


def _records(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every record of every topic of ours, committed or not."""
    consumer = Consumer({
        **stack.login(), "group.id": "holdings", "enable.partition.eof": True,
        "isolation.level": "read_uncommitted", "enable.auto.commit": False,
    })  # fmt: skip
    try:
        topics = consumer.list_topics(timeout=30).topics
        places = [
            TopicPartition(name, partition, 0)
            for name, topic in topics.items()
            if name.startswith(("usage.", "internal.", "alerts.", "control."))
            for partition in topic.partitions
        ]
        consumer.assign(places)
        left = len(places)
        while left:
            message = consumer.poll(30)
            assert message is not None, "Kafka did not answer"
            if message.error() is not None:
                left -= 1
                continue
            headers = b" ".join(name.encode() + b"=" + (value or b"") for name, value in message.headers() or [])
            key, value = message.key() or b"", message.value() or b""
            yield f"topic {message.topic()}", b"\n".join([key, headers, _readable(value)])
    finally:
        consumer.close()


def _readable(value: bytes) -> bytes:
    try:
        return str(from_arrow_bytes(value).to_pylist()).encode()
    except (pa.ArrowInvalid, OSError):  # it is no Arrow, but JSON
        return value


def _tables(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Every table as its writer sees it, storage included."""
    running = find_stack(stack.state_dir, {})
    assert running is not None, "there is no stack"
    with client(running.clickhouse(role="writer")) as found:
        for (table,) in found.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows:
            if table.endswith("_store"):
                yield f"table {table}", found.raw_query(f"SELECT * FROM {table}", fmt="TSV")
