"""What a client asked for, from URL, headers and form, as ClickHouse's HTTP interface defines them. Pure.

Source: https://clickhouse.com/docs/interfaces/http (parameters, headers, sessions).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from deploy.clickhouse.errors import NOT_IMPLEMENTED, BodyError, StatementError

# Names in the URL that the door takes itself, or that concern a transport which it does not have; others are settings.
_TRANSPORT = frozenset(
    {
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "close_session",
        "password",
        "query",
        "query_id",
        "quota_key",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "user",
        "wait_end_of_query",
    }
)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_SESSION_SEC = 3600.0


@dataclass(frozen=True)
class Session:
    """A session that the client wants to keep or to find; `timeout_sec` counts from the end of its last request."""

    session_id: str
    timeout_sec: float
    must_exist: bool


@dataclass(frozen=True)
class Request:
    """One request without its body; `query` is empty where the statement stands in the body."""

    query: str
    user: str
    password: str
    query_id: str
    database: str
    default_format: str
    accept_encoding: str
    session: Session | None
    params: Mapping[str, str]
    settings: Mapping[str, str]


def from_http(url_query: str, headers: Mapping[str, str]) -> Request:
    """The request of this URL query and these headers (names in lower case).

    Raises: StatementError: it asks for something that this door does not have.
    """
    url = dict(parse_qsl(url_query, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))
    if "role" in url:
        raise StatementError(NOT_IMPLEMENTED, "the embedded ClickHouse has no roles to choose; leave `role` out")
    if url.get("compress") == "1" or url.get("decompress") == "1":
        message = "ClickHouse's own block compression is not spoken here; use Content-Encoding and Accept-Encoding"
        raise StatementError(NOT_IMPLEMENTED, message)
    user, password = _credentials(url, headers)
    settings = {name: value for name, value in url.items() if name not in _TRANSPORT and not name.startswith("param_")}
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise StatementError(NOT_IMPLEMENTED, f"the name of a setting has letters, digits and _ only, not {name!r}")
    return Request(
        query=url.get("query", ""),
        user=user,
        password=password,
        query_id=url.get("query_id", ""),
        database=url.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=url.get("default_format") or headers.get("x-clickhouse-format", "") or "TabSeparated",
        accept_encoding=headers.get("accept-encoding", "") if url.get("enable_http_compression") == "1" else "",
        session=_session(url),
        params=_params(url),
        settings=settings,
    )


def with_form(request: Request, form: Mapping[str, str]) -> Request:
    """The request with the statement and the parameters of its multipart form; what the form says wins."""
    return replace(request, query=form.get("query", request.query), params={**request.params, **_params(form)})


def from_multipart(body: bytes, content_type: str) -> dict[str, str]:
    """The fields of a multipart/form-data body, by name.

    Raises: BodyError: it has no boundary or is cut short. StatementError: it carries files (external tables).
    """
    match = re.search(r'boundary="?([^";,]+)"?', content_type)
    if match is None:
        raise BodyError(NOT_IMPLEMENTED, "a multipart body needs a boundary in its Content-Type")
    boundary = b"--" + match[1].encode("latin-1", "replace")
    parts = (b"\r\n" + body).split(b"\r\n" + boundary)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise BodyError(NOT_IMPLEMENTED, "the multipart body is cut short: its last boundary is missing")
    fields = {}
    for part in parts[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        disposition = head.decode("utf-8", "surrogateescape")
        name = re.search(r'\bname="([^"]*)"', disposition)
        if name is None or re.search(r"\bfilename\*?=", disposition):
            raise StatementError(NOT_IMPLEMENTED, "external tables in a request are not supported; insert a table")
        fields[name[1]] = value.decode("utf-8", "surrogateescape")
    return fields


def _params(fields: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("param_"): value for name, value in fields.items() if name.startswith("param_")}


def _credentials(url: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode("utf-8", "surrogateescape").partition(":")
        except (binascii.Error, ValueError):
            return "?", ""
        return user, password
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    return url.get("user", ""), url.get("password", "")


def _session(url: Mapping[str, str]) -> Session | None:
    if not url.get("session_id"):
        return None
    wanted = url.get("session_timeout", "60")
    timeout_sec = min(float(wanted), _MAX_SESSION_SEC) if wanted.isdecimal() else 60.0
    if url.get("close_session") == "1":
        timeout_sec = 0.0
    return Session(url["session_id"], timeout_sec, must_exist=url.get("session_check") == "1")
