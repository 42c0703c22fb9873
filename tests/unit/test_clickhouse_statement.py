"""What the door reads from a statement's text: where data begin, and how a result is written."""

import pytest

from deploy.clickhouse.statement import InsertHead, first_word, insert_head, output, returns_rows


@pytest.mark.parametrize(
    ("text", "parts", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x00\n", ("INSERT INTO t", "t", "*", "Native"), b"\x00\n"),
        (b"INSERT INTO t FORMAT CSV\r\n1,2", ("INSERT INTO t", "t", "*", "CSV"), b"1,2"),
        (
            b'insert into `d`.`a b` (`x`, "y") format Native\n',
            ('insert into `d`.`a b` (`x`, "y")', "`d`.`a b`", '`x`, "y"', "Native"),
            b"",
        ),
        (b"INSERT INTO d . t(a,b)FORMAT CSV {}", ("INSERT INTO d . t(a,b)", "d . t", "a,b", "CSV"), b"{}"),
        (b"  -- note\n/* x */ INSERT INTO t FORMAT TSV\n1", ("INSERT INTO t", "t", "*", "TSV"), b"1"),
        (
            b"INSERT INTO t (a) SETTINGS insert_deduplication_token='a FORMAT b;' FORMAT TSV\n1",
            ("INSERT INTO t (a) SETTINGS insert_deduplication_token='a FORMAT b;'", "t", "a", "TSV"),
            b"1",
        ),
        (b"INSERT INTO t (`FORMAT x`) FORMAT TSV\n1", ("INSERT INTO t (`FORMAT x`)", "t", "`FORMAT x`", "TSV"), b"1"),
        (
            b"INSERT INTO TABLE t (* EXCEPT(b)) FORMAT TSV\n1",
            ("INSERT INTO TABLE t (* EXCEPT(b))", "t", "* EXCEPT(b)", "TSV"),
            b"1",
        ),
    ],
)
def test_data_begin_behind_the_format(text: bytes, parts: tuple[str, str, str, str], data: bytes) -> None:
    """Blanks and one line end belong to the head; every byte behind them to the data."""
    assert insert_head(text) == InsertHead(*parts, len(text) - len(data))


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES (1)",
        b"INSERT INTO t SELECT 'x FORMAT CSV'",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"SELECT 'INSERT INTO t FORMAT CSV'",
        b"INSERT INTO FUNCTION file('x') FORMAT CSV\n1",
        b"INSERT INTO t (a, b",
        b"",
    ],
)
def test_other_statements_are_no_insert_with_data(text: bytes) -> None:
    """They are read whole and parsed by the engine."""
    assert insert_head(text) is None


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("SELECT 1 FORMAT Native", ("Native", True)),
        ("SELECT 1\n FORMAT JSONEachRow ; ", ("JSONEachRow", True)),
        ("with x as (select 1) select * from x", ("TabSeparated", True)),
        ("SELECT 1 FORMAT JSON", ("JSON", False)),
        ("SELECT 1 FORMAT Native SETTINGS max_threads = 1", ("Native", False)),
        ("SELECT 1 -- FORMAT Native\n, 2", ("Native", False)),
        ("DESCRIBE t FORMAT Native", ("Native", False)),
        ("SELECT format('{}', 1)", ("TabSeparated", False)),
    ],
)
def test_only_what_is_sure_to_be_block_by_block_streams(sql: str, written: tuple[str, bool]) -> None:
    """A format with a head or a foot, or any doubt about the format, is answered whole."""
    found = output(sql, "TabSeparated")
    assert written == (found.format, found.streams)


def test_a_default_format_with_a_head_never_streams() -> None:
    """What the client asks for by header counts as much as the statement's own clause."""
    assert not output("SELECT 1", "JSON").streams
    assert not output("SELECT 1 -- FORMAT TSV", "JSON").streams


def test_the_first_word_stands_behind_comments_and_parentheses() -> None:
    """It tells queries from other statements."""
    assert first_word(b" /* a */ -- b\n (( select 1") == "SELECT"
    assert first_word(b"") == ""


def test_only_reading_statements_return_rows() -> None:
    """A `WITH ... INSERT` writes, whatever it begins with."""
    assert returns_rows(b"SHOW TABLES", mutates=False)
    assert not returns_rows(b"WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", mutates=True)
    assert not returns_rows(b"CREATE TABLE t (a Int8) ENGINE = Memory", mutates=True)
