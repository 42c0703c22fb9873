"""What is answered: statuses, messages and the end of a broken stream."""

import json

import pytest

from deploy.clickhouse.errors import StatementError
from deploy.clickhouse.reply import from_engine_message, status_of, to_stream_tail, to_summary, to_text


@pytest.mark.parametrize(("code", "status"), [(60, 404), (62, 400), (202, 503), (241, 500), (497, 403), (516, 403)])
def test_a_code_has_its_status(code: int, status: int) -> None:
    """Clients retry 503 only; everything else is an answer."""
    assert status_of(code) == status


def test_the_engines_text_gives_the_code_and_loses_what_stands_before_it() -> None:
    """The engine puts its own words in front of ClickHouse's message."""
    error = from_engine_message("Streaming query failed: Code: 395. DB::Exception: no (X)")
    assert (error.code, to_text(error)) == (395, "Code: 395. DB::Exception: no (X)")
    assert from_engine_message("something else").code == 1002


def test_our_own_refusals_look_like_clickhouses() -> None:
    """Clients read code and name from the text."""
    assert to_text(StatementError(497, "no")) == "Code: 497. DB::Exception: no. (ACCESS_DENIED)"


def test_the_tail_of_a_broken_stream_names_tag_and_length() -> None:
    """The length counts the message's bytes with its line end."""
    tail = to_stream_tail(StatementError(395, "Code: 395. é"), "T")
    assert tail == "\r\n__exception__\r\nT\r\nCode: 395. é\n14 T\r\n__exception__\r\n".encode()


def test_the_summary_is_strings() -> None:
    """Clients expect every number quoted, and every name present."""
    summary = json.loads(to_summary({"written_rows": 3}))
    assert (summary["written_rows"], summary["read_rows"]) == ("3", "0")
