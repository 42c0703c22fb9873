"""What the door knows of a statement's text without a parser: where an insert's data begin, how a result looks. Pure.

Source: ClickHouse's ParserInsertQuery: data begin after the format's name, blanks, and at most one line end.
"""

import re
from dataclasses import dataclass

# Formats whose blocks may be written one after the other: no head, no foot, nothing about the whole.
STREAM_FORMATS = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
_ROWS = frozenset(
    {
        "SELECT",
        "WITH",
        "FROM",
        "SHOW",
        "DESC",
        "DESCRIBE",
        "EXPLAIN",
        "EXISTS",
        "CHECK",
        "VALUES",
        "KILL",
        "BACKUP",
        "RESTORE",
    }
)
_STREAMED = frozenset({"SELECT", "WITH", "FROM"})

# Every repetition is possessive or cannot meet itself: what a client sends is read once, whatever it is. With plain
# ones forty empty comments took years.
_BLANK = rb"(?:\s++|--[^\n]*+(?:\n|\Z)|(?>/\*.*?\*/))*+"
_QUOTED = rb"`(?:[^`\\]|\\.)*+`|\"(?:[^\"\\]|\\.)*+\""
_NAME = rb"(?:[A-Za-z_]\w*+|%b)" % _QUOTED
_COLUMNS = rb"\((?:[^()'`\"]++|%b|\([^()]*+\))*+\)" % _QUOTED
_SETTINGS = rb"SETTINGS(?:\s++(?!FORMAT\b)(?:[^';\s]++|'(?:[^'\\]|\\.)*+')++)++"
_INSERT = re.compile(
    rb"\A%b(?P<sql>INSERT\s++INTO\s++(?:TABLE\s++)?(?P<table>%b(?:\s*+\.\s*+%b)?)\s*+(?P<columns>%b)?\s*+(?:%b)?)\s*+"
    rb"FORMAT\s++(?P<format>\w++)[ \t\f]*+;?[ \t\f]*+\r?\n?" % (_BLANK, _NAME, _NAME, _COLUMNS, _SETTINGS),
    re.IGNORECASE | re.DOTALL,
)
_FIRST_WORD = re.compile(_BLANK + rb"\(*+\s*+(\w*+)", re.DOTALL)
_LAST_FORMAT = re.compile(r"\bFORMAT\s++(\w++)\s*+;?\s*+\Z", re.IGNORECASE)
_ANY_FORMAT = re.compile(r"\bFORMAT\b(?:\s+(\w+))?", re.IGNORECASE)


@dataclass(frozen=True)
class InsertHead:
    """An `INSERT INTO table (columns) ... FORMAT f`: the data begin at byte `data_at`.

    `sql` is the part before FORMAT; `columns` is what stands in the parentheses, `*` where there are none.
    """

    sql: str
    table: str
    columns: str
    format: str
    data_at: int


@dataclass(frozen=True)
class Output:
    """How a result is written, and whether its blocks may be sent as they come."""

    format: str
    streams: bool


def first_word(text: bytes) -> str:
    """The statement's first word in capitals, behind blanks, comments and parentheses; empty where there is none."""
    match = _FIRST_WORD.match(text)
    return match[1].decode("ascii", "replace").upper() if match else ""


def insert_head(text: bytes) -> InsertHead | None:
    """The head of an insert whose data follow in a format; None for any other statement, or one not yet whole."""
    match = _INSERT.match(text)
    if match is None:
        return None
    sql, table, columns = (_text(match[name] or b"") for name in ("sql", "table", "columns"))
    return InsertHead(sql, table, columns[1:-1].strip() or "*", match["format"].decode(), match.end())


def _text(part: bytes) -> str:
    return part.decode("utf-8", "surrogateescape").strip()


def output(sql: str, default_format: str) -> Output:
    """How the result of this statement is written.

    Streams only where no doubt is left: a FORMAT elsewhere than at the end (in a comment, before SETTINGS) means no.
    """
    last = _LAST_FORMAT.search(sql)
    may_stream = default_format in STREAM_FORMATS and first_word(sql[:4096].encode("utf-8", "replace")) in _STREAMED
    if last is not None:
        return Output(last[1], streams=may_stream and last[1] in STREAM_FORMATS)
    found = [match[1] for match in _ANY_FORMAT.finditer(sql) if match[1]]
    if found or _ANY_FORMAT.search(sql):
        return Output(found[-1] if found else default_format, streams=False)
    return Output(default_format, streams=may_stream)


def returns_rows(text: bytes, *, mutates: bool) -> bool:
    """Whether the statement has a result set, which the client learns from the answer's format header."""
    return not mutates and first_word(text) in _ROWS
