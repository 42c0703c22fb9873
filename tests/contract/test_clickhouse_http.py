"""clickhouse-connect works against our storage process as against a server: the same tests run on both.

Long because it is one contract: each part of the protocol that a client uses, once.
"""

import asyncio
import http.client
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouse) -> Iterator[str]:
    """A database of this module's own."""
    name = f"contract_{uuid.uuid4().hex[:8]}"
    with clickhouse.client() as client:
        client.command(f"CREATE DATABASE {name}")
        yield name
        client.command(f"DROP DATABASE {name}")


@pytest.fixture
def client(clickhouse: ClickHouse, database: str) -> Iterator[Any]:
    """The writer, in that database, without a session."""
    with clickhouse.client(database=database, autogenerate_session_id=False) as client:
        yield client


def new_table(client: Any, columns: str, *, settings: str = "") -> str:
    """An empty MergeTree of these columns."""
    name = f"t_{uuid.uuid4().hex[:8]}"
    client.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple() {settings}")
    return name


def open_query(clickhouse: ClickHouse, sql: str) -> http.client.HTTPConnection:
    """A connection of the writer's on which the query has been asked, and nothing read."""
    token = b64encode(f"{clickhouse.writer_user}:{clickhouse.writer_password}".encode()).decode()
    connection = http.client.HTTPConnection(clickhouse.host, clickhouse.port, timeout=60)
    connection.request("POST", "/", sql, {"Authorization": f"Basic {token}"})
    return connection


def post(
    clickhouse: ClickHouse, body: bytes | Iterator[bytes], *, headers: dict[str, str] | None = None, **url: str
) -> Any:
    """The status, headers and body of a plain HTTP request of the writer's."""
    token = b64encode(f"{clickhouse.writer_user}:{clickhouse.writer_password}".encode()).decode()
    connection = http.client.HTTPConnection(clickhouse.host, clickhouse.port, timeout=60)
    try:
        connection.request("POST", "/?" + urlencode(url), body, {"Authorization": f"Basic {token}", **(headers or {})})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


COLUMNS = (
    "id UUID, ts DateTime64(6, 'UTC'), cost_usd Nullable(Decimal(38, 12)), tags Map(LowCardinality(String), String),"
    " model LowCardinality(String), tokens Nullable(Int64), note String, ok Bool, xs Array(Nullable(Int32))"
)
ROWS: list[list[Any]] = [
    [
        uuid.UUID(int=2**127 + 1),
        datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC),
        Decimal("-99999999999999999999999999.999999999999"),
        {"ключ": "it's \\ \t\n", "b": ""},
        "gpt",
        None,
        "tab\tnewline\nquote'back\\slash`\"\x00ü",
        True,
        [1, None, -2],
    ],
    [uuid.UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC), None, {}, "", -(2**63), "", False, []],
]


def test_every_type_of_ours_comes_back_as_it_went(client: Any) -> None:
    """UUID, microseconds, 26 + 12 decimal digits, maps, nulls and any character survive the round trip."""
    table = new_table(client, COLUMNS)
    client.insert(table, ROWS, column_names="*")
    found = client.query(f"SELECT * FROM {table} ORDER BY id DESC", tz_mode="aware").result_rows
    assert [list(row) for row in found] == ROWS


def test_columns_arrow_and_raw_bytes_are_ways_to_insert(client: Any) -> None:
    """All of them store what rows would."""
    table = new_table(client, "a UInt64, b String")
    client.insert(table, [[1, 2], ["x", "y"]], column_names=["a", "b"], column_oriented=True)
    client.insert_arrow(table, pa.table({"a": pa.array([3], pa.uint64()), "b": ["z"]}))
    client.raw_insert(table, ["a", "b"], b"4,q\n5,r\n", fmt="CSV")
    client.command(f"INSERT INTO {table} VALUES (6, 's')")
    assert client.query(f"SELECT sum(a), groupArray(b) FROM (SELECT * FROM {table} ORDER BY a)").result_rows == [
        (21, ["x", "y", "z", "q", "r", "s"])
    ]
    assert client.query_arrow(f"SELECT a FROM {table} ORDER BY a").column("a").to_pylist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("compression", ["", "lz4", "zstd", "gzip"])
def test_an_insert_of_many_frames_is_stored_to_the_last_row(
    clickhouse: ClickHouse, database: str, compression: str
) -> None:
    """300,000 rows leave the client as many compressed frames; not one of them is lost."""
    with clickhouse.client(database=database, compress=compression or False) as client:
        table = new_table(client, "a UInt64, b String")
        numbers = list(range(300_000))
        summary = client.insert(table, [numbers, [str(number) for number in numbers]], column_oriented=True)
        assert summary.written_rows == 300_000
        assert client.query(f"SELECT count(), sum(a), uniqExact(b) FROM {table}").result_rows == [
            (300_000, sum(numbers), 300_000)
        ]


def test_frames_one_after_the_other_are_one_body(client: Any, clickhouse: ClickHouse, database: str) -> None:
    """The statement may stand in the first frame, and a frame may end inside a row."""
    table = new_table(client, "a UInt64")
    body = b"".join(
        lz4.frame.compress(part)
        for part in (f"INSERT INTO {database}.{table} FORMAT CSV\n1\n".encode(), b"2", b"2\n3\n")
    )
    status, _, _ = post(clickhouse, body, headers={"Content-Encoding": "lz4"})
    assert status == 200
    assert client.query(f"SELECT groupArray(a) FROM {table}").result_rows == [([1, 22, 3],)]


def test_a_truncated_body_stores_nothing(client: Any, clickhouse: ClickHouse, database: str) -> None:
    """A cut frame is an error of the client's, and no row of the whole frames before it is kept."""
    table = new_table(client, "a UInt64")
    body = lz4.frame.compress(b"1\n" * 1000) + lz4.frame.compress(b"2\n" * 1000)[:-7]
    status, headers, _ = post(
        clickhouse, body, headers={"Content-Encoding": "lz4"}, query=f"INSERT INTO {database}.{table} FORMAT CSV"
    )
    assert status >= 400
    assert int(headers["X-ClickHouse-Exception-Code"]) > 0
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(0,)]


def test_the_same_token_twice_counts_once(client: Any) -> None:
    """A retried insert changes neither the table nor the rollup behind it."""
    window = "SETTINGS non_replicated_deduplication_window = 100"
    table, rollup = new_table(client, "a UInt64", settings=window), new_table(client, "a UInt64", settings=window)
    client.command(f"CREATE MATERIALIZED VIEW {rollup}_mv TO {rollup} AS SELECT a FROM {table}")
    settings = {
        "insert_deduplication_token": "it's one",
        "deduplicate_blocks_in_dependent_materialized_views": 1,
        "async_insert": 0,
    }
    for _ in range(2):
        client.insert(table, [[1], [2]], column_names=["a"], settings=settings)
    client.insert(table, [[4]], column_names=["a"], settings={**settings, "insert_deduplication_token": "two"})
    assert client.query(f"SELECT (SELECT sum(a) FROM {table}), (SELECT sum(a) FROM {rollup})").result_rows == [(7, 7)]


def test_an_insert_that_fails_behind_its_last_row_is_an_error(client: Any) -> None:
    """A view that raises, too little memory, a default, a constraint: none is told as success; the next one works."""
    table, target = new_table(client, "a UInt64"), new_table(client, "a UInt64")
    client.command(f"CREATE MATERIALIZED VIEW {target}_mv TO {target} AS SELECT throwIf(a = 7) AS a FROM {table}")
    client.insert(table, [[1]], column_names=["a"])
    with pytest.raises(DatabaseError, match="throwIf"):
        client.insert(table, [[6], [7]], column_names=["a"])
    other = new_table(client, "a UInt64")
    little = {"max_memory_usage": 1_000_000, "max_untracked_memory": 1}  # else up to 4 MiB of a thread count later
    with pytest.raises(DatabaseError, match=r"(?i)memory"):
        client.insert(other, [[number] for number in range(300_000)], settings=little)
    for refusal in ("b UInt8 DEFAULT throwIf(a = 7)", "CONSTRAINT small CHECK a < 7"):
        strict = new_table(client, f"a UInt64, {refusal}")
        with pytest.raises(DatabaseError, match="of the insert's 2 rows none is stored: a default or a constraint"):
            client.insert(strict, [[6], [7]], column_names=["a"])
        assert client.query(f"SELECT count() FROM {strict}").result_rows == [(0,)]
    client.insert(other, [[2]])
    assert client.query(f"SELECT sum(a) FROM {other}").result_rows == [(2,)]


@pytest.mark.parametrize("value", ["it's", "a\tb\nc", "back\\slash \\t \\N", "ünï \x00", "x" * 20_000, ""])
def test_parameters_arrive_unchanged(client: Any, value: str) -> None:
    """Also the long ones, which the client sends as a form."""
    assert client.query("SELECT {v:String}, {n:Nullable(Int64)}", {"v": value, "n": None}).result_rows == [
        (value, None)
    ]


def test_long_parameters_go_through_a_form(clickhouse: ClickHouse, database: str) -> None:
    """multipart/form-data instead of the URL, for queries that list thousands of ids."""
    with clickhouse.client(database=database, form_encode_query_params=True) as client:
        ids = list(range(20_000))
        assert client.query("SELECT length({ids:Array(UInt32)})", {"ids": ids}).result_rows == [(20_000,)]


def test_a_setting_ends_with_its_request(client: Any) -> None:
    """With and without a session, nothing of it is left for the next one."""
    sql = "SELECT getSetting('max_block_size')"
    before = client.query(sql).result_rows
    assert client.query(sql, settings={"max_block_size": 1234}).result_rows == [(1234,)]
    assert client.query(sql).result_rows == before


def test_a_session_keeps_what_was_set_and_what_is_temporary(clickhouse: ClickHouse, database: str) -> None:
    """SET and temporary tables live as long as the session; settings of one request do not."""
    with clickhouse.client(database=database, session_id=str(uuid.uuid4())) as client:
        client.command("CREATE TEMPORARY TABLE kept (a UInt8)")
        client.command("SET max_block_size = 4321")
        sql = "SELECT getSetting('max_block_size'), count() FROM kept"
        assert client.query(sql, settings={"max_block_size": 1234}).result_rows == [(1234, 0)]
        assert client.query(sql).result_rows == [(4321, 0)]
    with clickhouse.client(database=database) as other, pytest.raises(DatabaseError, match="kept"):
        other.query("SELECT * FROM kept")


def test_a_large_result_streams(client: Any) -> None:
    """3,000,000 rows come in many blocks, none missing."""
    total, blocks = 0, 0
    with client.query_column_block_stream("SELECT number FROM numbers(3000000)") as stream:
        for block in stream:
            total, blocks = total + sum(block[0]), blocks + 1
    assert total == sum(range(3_000_000))
    assert blocks > 10


def test_a_stream_that_fails_midway_is_no_short_result(client: Any) -> None:
    """The error reaches the client although the answer had begun."""
    sql = "SELECT throwIf(number = 2000000, 'midway') FROM numbers(3000000)"
    with (
        pytest.raises(StreamFailureError, match="midway"),
        client.query_column_block_stream(sql, settings={"max_block_size": 65_536}) as stream,
    ):
        assert sum(1 for _ in stream) > 1


def test_a_client_that_leaves_a_stream_ends_the_query(client: Any, clickhouse: ClickHouse) -> None:
    """Nobody computes for a connection that is gone."""
    mark = uuid.uuid4().hex
    sql = f"SELECT number, '{mark}' AS mark, sleepEachRow(0.00001) FROM numbers(100000000) FORMAT RowBinary"
    connection = open_query(clickhouse, sql)
    assert connection.getresponse().read(1000)
    running = f"SELECT count() FROM system.processes WHERE query LIKE '%{mark}%' AND query NOT LIKE '%processes%'"
    assert client.query(running).result_rows == [(1,)]
    connection.close()
    ends = time.monotonic() + 30
    while client.query(running).result_rows != [(0,)]:
        assert time.monotonic() < ends


def test_an_empty_result_has_its_columns(client: Any) -> None:
    """No rows are no error, and types are asked without reading."""
    assert client.query("SELECT 1 AS a WHERE 0").result_rows == []
    assert client.query("SELECT 1 AS a, 'x' AS b LIMIT 0").column_names == ("a", "b")


@pytest.mark.parametrize(
    ("sql", "code"),
    [("SELEC 1", 62), ("SELECT * FROM no_such_table", 60), ("SELECT no_such_column", 47), ("SELECT throwIf(1)", 395)],
)
def test_errors_carry_clickhouses_code(client: Any, sql: str, code: int) -> None:
    """The client's exception names the engine's own number, and the connection goes on."""
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert caught.value.code == code
    assert client.query("SELECT 1").result_rows == [(1,)]


@pytest.mark.parametrize(
    "output_format",
    [
        "TabSeparatedWithNames",
        "CSV",
        "JSON",
        "JSONEachRow",
        "JSONCompact",
        "Parquet",
        "ArrowStream",
        "Pretty",
        "Vertical",
    ],
)
def test_a_result_is_written_in_any_format(client: Any, output_format: str) -> None:
    """Formats with a head or a foot are whole, however many blocks the result has."""
    data = client.raw_query("SELECT number AS n FROM numbers(200000)", fmt=output_format)
    if output_format == "JSON":
        assert data.count(b'"n":') == 200_000
        assert data.rstrip().endswith(b"}")
    if output_format == "ArrowStream":
        assert pa.ipc.open_stream(data).read_all().num_rows == 200_000
    if output_format == "TabSeparatedWithNames":
        assert data.startswith(b"n\n0\n1\n")
        assert data.count(b"\n") == 200_001
    assert len(data) > 1000


def test_get_is_for_questions(clickhouse: ClickHouse) -> None:
    """A link changes nothing, whoever follows it."""
    token = b64encode(f"{clickhouse.writer_user}:{clickhouse.writer_password}".encode()).decode()
    connection = http.client.HTTPConnection(clickhouse.host, clickhouse.port, timeout=60)
    headers = {"Authorization": f"Basic {token}"}
    connection.request("GET", "/?" + urlencode({"query": "SELECT 1"}), headers=headers)
    assert connection.getresponse().read() == b"1\n"
    connection.request("GET", "/?" + urlencode({"query": "CREATE DATABASE by_get"}), headers=headers)
    response = connection.getresponse()
    assert (response.headers["X-ClickHouse-Exception-Code"], b"by_get" in response.read()) == ("164", False)
    connection.close()


def test_readers_and_writers_work_side_by_side(clickhouse: ClickHouse, database: str) -> None:
    """Three writers and three readers at once: no error, every insert is seen whole, the sum is exact."""
    with clickhouse.client(database=database) as client:
        table = new_table(client, "w UInt8, a UInt64")
    written = threading.Event()

    def write(writer: int) -> None:
        with clickhouse.client(database=database) as client:
            for number in range(10):
                client.insert(table, [[writer, number]] * 1000, column_names=["w", "a"])

    def read() -> set[int]:
        seen: set[int] = set()
        with clickhouse.client(database=database) as client:
            while not written.is_set():
                seen |= {rows for (rows,) in client.query(f"SELECT count() FROM {table} GROUP BY w, a").result_rows}
        return seen

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        writers = [pool.submit(write, number) for number in range(3)]
        failed = [error for writer in writers if (error := writer.exception()) is not None]
        written.set()
        assert failed == []
        assert [reader.result() - {1000} for reader in readers] == [set()] * 3
    with clickhouse.client(database=database) as client:
        assert client.query(f"SELECT count(), sum(a) FROM {table}").result_rows == [(30_000, 3 * 45_000)]


def test_the_asynchronous_client_works_as_well(clickhouse: ClickHouse, database: str) -> None:
    """Inserts and twenty queries at once through one client without a session."""

    async def run() -> list[int]:
        options = {"database": database, "autogenerate_session_id": False}
        async with await clickhouse_connect.get_async_client(**clickhouse.credentials(), **options) as client:
            await client.command("CREATE TABLE from_async (a UInt64) ENGINE = MergeTree ORDER BY a")
            await client.insert("from_async", [[number] for number in range(1000)], column_names=["a"])
            sql = "SELECT count() + {n:UInt64} FROM from_async"
            results = await asyncio.gather(*(client.query(sql, {"n": n}) for n in range(20)))
            return [result.result_rows[0][0] for result in results]

    assert asyncio.run(run()) == [1000 + n for n in range(20)]
