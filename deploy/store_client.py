"""The door to ClickHouse for questions: read only, errors as one sentence."""

import http.client
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver import exceptions as driver

from schemas.connection import ClickHouseSettings
from schemas.errors import BurnlineError, StoreUnavailableError

# What the driver logs, it also raises, and our sentence says it.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
ANSWER_TIMEOUT_SEC = 10.0
"""Who does not say that it lives within this time hangs, or is far too busy to ask."""
OWN_TIMEOUT_SEC = 60.0
"""For the questions that Burnline itself asks."""
QUERY_TIMEOUT_SEC = 300.0
"""For a person's own query, and for long exports."""


class QueryError(BurnlineError):
    """ClickHouse refuses a query; the message is what it says."""


@contextmanager
def client(settings: ClickHouseSettings, *, timeout_sec: float = QUERY_TIMEOUT_SEC) -> Iterator[Any]:
    """A connection in our database for questions, each of which may take `timeout_sec`.

    Raises, also within the block: StoreUnavailableError: no answer. QueryError: ClickHouse refuses a query.
    """
    _lives(settings)
    try:
        found = clickhouse_connect.get_client(
            **settings.to_client(),
            database=settings.database,
            connect_timeout=max(1, round(ANSWER_TIMEOUT_SEC)),
            send_receive_timeout=timeout_sec,
            autogenerate_session_id=False,
            client_name="burnline",
        )
    except driver.Error as error:
        raise _told(error, settings, timeout_sec) from error
    try:
        yield found
    except driver.Error as error:
        raise _told(error, settings, timeout_sec) from error
    finally:
        found.close()


def read_only(found: Any) -> dict[str, str]:  # noqa: ANN401  clickhouse-connect has no public type for its clients
    """The settings that make a query read only where the user of the connection is not already."""
    setting = found.server_settings.get("readonly")
    return {"readonly": "2"} if setting is not None and str(setting.value) == "0" else {}


def rows(
    settings: ClickHouseSettings, query: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries. Raises: StoreUnavailableError, QueryError."""
    return named_rows(settings, query, parameters)[1]


def named_rows(
    settings: ClickHouseSettings, query: str, parameters: Mapping[str, object] | None = None
) -> tuple[list[str], list[dict[str, Any]]]:
    """(the columns of a query, also where it has no rows; its rows). Raises: StoreUnavailableError, QueryError."""
    with client(settings, timeout_sec=OWN_TIMEOUT_SEC) as found:
        asked: dict[str, Any] = {"parameters": dict(parameters or {}), "settings": read_only(found)}
        result = found.query(query, **asked)
        named = list(result.named_results())
        # Native, the driver's format, has no columns where it has no rows.
        head = found.raw_query(query, fmt="TSVWithNames", **asked).decode().splitlines() if not named else []
        return head[0].split("\t") if head else list(result.column_names), named


def arrow(settings: ClickHouseSettings, query: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
    """The rows of a query as Arrow columns. Raises: StoreUnavailableError, QueryError."""
    with client(settings, timeout_sec=OWN_TIMEOUT_SEC) as found:
        asked: dict[str, Any] = {"parameters": dict(parameters or {}), "settings": read_only(found)}
        table: pa.Table = found.query_arrow(query, use_strings=True, **asked)
        return table


@contextmanager
def streamed(
    settings: ClickHouseSettings, query: str, parameters: Mapping[str, object] | None = None
) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows of a query one after the other, so that any number of them fits. Raises: as `client`."""
    with client(settings) as found:
        asked = found.query_row_block_stream(query, parameters=dict(parameters or {}), settings=read_only(found))
        with asked as blocks:
            names = asked.source.column_names
            yield (dict(zip(names, row, strict=True)) for block in blocks for row in block)


def _lives(settings: ClickHouseSettings) -> None:
    """ClickHouse says that it lives. Raises: StoreUnavailableError: it does not, soon."""
    url = f"{settings.url.rstrip('/')}/ping"
    trust = ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file else None
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_SEC, context=trust):  # noqa: S310  the settings allow http(s) only
            return
    except urllib.error.HTTPError:
        return  # it answers; what it says to a real question is said there
    except (OSError, http.client.HTTPException) as error:
        raise _told(error, settings, ANSWER_TIMEOUT_SEC) from error


def _told(error: Exception, settings: ClickHouseSettings, timeout_sec: float) -> StoreUnavailableError | QueryError:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "DB::Exception" in said or "Code: " in said:
        start = said.find("DB::Exception:")
        said = said.partition(" (for url")[0]
        refused = said[start + len("DB::Exception:") :].strip() if start >= 0 else said
        return QueryError(f"ClickHouse refuses the query: {refused}")
    reason = "connection refused" if "Connection refused" in said else said[:200]
    if "timed out" in said.lower():
        reason = f"nothing came within {timeout_sec:g} s: it hangs or is too busy; see burnline status"
    return StoreUnavailableError(f"ClickHouse at {settings.url} does not answer ({reason})")
