"""What a request can fail with; `code` is ClickHouse's number, `reply` turns it into an HTTP status.

StatementError           the engine, or the door before it, refused or failed a statement
`-- BodyError            the request's body is cut short, too large or cannot be decompressed: nothing is stored
"""

from schemas.errors import BurnlineError

NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
READONLY = 164
CANNOT_READ_ALL_DATA = 33
TOO_MANY_SIMULTANEOUS_QUERIES = 202
QUERY_IS_TOO_LARGE = 229
ABORTED = 236
CANNOT_DECOMPRESS = 271
SESSION_IS_LOCKED = 373
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
UNKNOWN_EXCEPTION = 1002


class StatementError(BurnlineError):
    """A statement that was refused or failed; `code` is ClickHouse's error number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BodyError(StatementError):
    """A request body that cannot be taken whole; nothing of it is stored."""
