"""What a client asks for, from URL, headers and form."""

import base64

import pytest

from deploy.clickhouse.errors import BodyError, StatementError
from deploy.clickhouse.request import from_http, from_multipart, with_form


def test_url_parameters_are_transport_parameters_or_settings() -> None:
    """`param_` names a query parameter, a known name the transport; every other name is a setting."""
    request = from_http("query=SELECT+1&param_x=%27a%27&max_threads=2&session_id=s&database=d&wait_end_of_query=1", {})
    assert request.query == "SELECT 1"
    assert request.params == {"x": "'a'"}
    assert request.settings == {"max_threads": "2"}
    assert request.database == "d"
    assert request.session is not None
    assert request.session.timeout_sec == 60


def test_basic_authentication_wins_over_headers_and_url() -> None:
    """Of several credentials one is taken, in ClickHouse's order."""
    basic = base64.b64encode(b"writer:a:b").decode()
    url, headers = "user=u&password=p", {"x-clickhouse-user": "h", "x-clickhouse-key": "k"}
    by_basic = from_http(url, {**headers, "authorization": f"Basic {basic}"})
    assert (by_basic.user, by_basic.password) == ("writer", "a:b")
    assert (from_http(url, headers).user, from_http(url, headers).password) == ("h", "k")
    assert (from_http(url, {}).user, from_http(url, {}).password) == ("u", "p")


def test_credentials_that_cannot_be_read_are_nobodys() -> None:
    """A broken header does not fall through to the anonymous user."""
    assert from_http("", {"authorization": "Basic %%%"}).user == "?"


@pytest.mark.parametrize("url", ["role=writer", "compress=1", "decompress=1", "max_threads%20=1", "a;b=1", "a'=1"])
def test_what_the_door_does_not_have_is_refused(url: str) -> None:
    """No silent ignoring, and no text of the client's own in a SET."""
    with pytest.raises(StatementError):
        from_http(url, {})


def test_answers_are_compressed_only_if_the_url_says_so() -> None:
    """Accept-Encoding alone means nothing, as in ClickHouse."""
    headers = {"accept-encoding": "lz4"}
    assert from_http("", headers).accept_encoding == ""
    assert from_http("enable_http_compression=1", headers).accept_encoding == "lz4"


def test_a_form_carries_statement_and_parameters() -> None:
    """Large parameters come as multipart/form-data; what the form says wins over the URL."""
    body = (
        b'--B\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {x:String}\r\n'
        b'--B\r\nContent-Disposition: form-data; name="param_x"\r\n\r\na\r\n--b\xc3\xa9\r\n--B--\r\n'
    )
    request = with_form(from_http("param_x=old", {}), from_multipart(body, "multipart/form-data; boundary=B"))
    assert request.query == "SELECT {x:String}"
    assert request.params == {"x": "a\r\n--bé"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'--B\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1', "multipart/form-data; boundary=B"),
        (b"", "multipart/form-data; boundary=B"),
        (b"--B--", "multipart/form-data"),
    ],
)
def test_a_form_that_is_cut_short_is_refused(body: bytes, content_type: str) -> None:
    """A missing last boundary means that a part may be missing."""
    with pytest.raises(BodyError):
        from_multipart(body, content_type)


def test_files_in_a_form_are_refused() -> None:
    """External tables are not supported, and are not mistaken for parameters."""
    body = b'--B\r\nContent-Disposition: form-data; name="t"; filename="t.csv"\r\n\r\n1\r\n--B--\r\n'
    with pytest.raises(StatementError, match="external tables"):
        from_multipart(body, "multipart/form-data; boundary=B")
