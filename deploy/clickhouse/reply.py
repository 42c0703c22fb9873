"""What is answered: headers, errors and the tail of a broken stream, as ClickHouse writes them. Pure.

Source: ClickHouse, HTTPHandler (status of an exception, exception tag), WriteBufferFromHTTPServerResponse (summary).
"""

import json
import re
from collections.abc import Mapping

from deploy.clickhouse import errors
from deploy.clickhouse.errors import StatementError

_STATUS = {
    errors.AUTHENTICATION_FAILED: 403,
    errors.ACCESS_DENIED: 403,
    errors.READONLY: 403,
    errors.QUERY_IS_TOO_LARGE: 413,
    errors.NOT_IMPLEMENTED: 501,
    errors.TOO_MANY_SIMULTANEOUS_QUERIES: 503,
    errors.ABORTED: 503,
} | dict.fromkeys((46, 60, 73, 81, 115), 404)  # unknown function, table, format, database, setting
_BAD_REQUEST = frozenset((6, 26, 27, 33, 36, 41, 43, 44, 47, 50, 53, 62, 70, 72, 117, 271, 321, 386, 427, 452, 457))
_CODE = re.compile(r"Code: (\d+)\. ")
_NAME = {
    errors.CANNOT_READ_ALL_DATA: "CANNOT_READ_ALL_DATA",
    errors.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    errors.SYNTAX_ERROR: "SYNTAX_ERROR",
    errors.READONLY: "READONLY",
    errors.TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    errors.QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    errors.ABORTED: "ABORTED",
    errors.CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    errors.SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    errors.ACCESS_DENIED: "ACCESS_DENIED",
    errors.AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    errors.UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}


def status_of(code: int) -> int:
    """The HTTP status with which ClickHouse answers this error."""
    return _STATUS.get(code) or (400 if code in _BAD_REQUEST else 500)


def from_engine_message(message: str) -> StatementError:
    """The error that an exception text of the engine stands for."""
    begin = message.find("Code: ")
    match = _CODE.search(message)
    text = message[begin:] if begin > 0 else message
    return StatementError(int(match[1]) if match else errors.UNKNOWN_EXCEPTION, text.strip())


def to_text(error: StatementError) -> str:
    """The error as ClickHouse prints it: `Code: 62. DB::Exception: ... (SYNTAX_ERROR)`."""
    if error.message.startswith("Code: "):
        return error.message
    name = _NAME.get(error.code)
    return f"Code: {error.code}. DB::Exception: {error.message}" + (f". ({name})" if name else "")


def to_stream_tail(error: StatementError, tag: str) -> bytes:
    """What ends a stream that failed after its first byte; the client knows the tag from the answer's header."""
    message = to_text(error).replace("\r\n", "\n").encode("utf-8", "replace") + b"\n"
    tag_bytes = tag.encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag_bytes, message, len(message), tag_bytes)


def to_summary(counts: Mapping[str, int]) -> str:
    """The X-ClickHouse-Summary of these counts: a JSON object of strings, with 0 for what is not counted."""
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read", "result_rows")
    summary = {name: str(counts.get(name, 0)) for name in (*names, "result_bytes", "elapsed_ns")}
    return json.dumps(summary, separators=(",", ":"))
