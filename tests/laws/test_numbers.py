"""What a process counts of itself: additions, bounded names, and a page that every scraper reads."""

import select
import socket
import threading
import urllib.error
import urllib.request
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.stack.ports import free_port
from schemas.numbers import BOUNDS_SEC, MOST_CHILDREN, Instrument
from schemas.numbers_page import MOST_CALLERS, page_url, serve_text, to_text
from streams.numbers import ALL, EVENTS, OUTPUTS, note_transaction
from streams.ports import Output, StepResult
from tests.sink_world import wait_for

TIMES = st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=50)


@given(TIMES)
def test_buckets_say_how_many_took_no_longer(times: list[float]) -> None:
    """Each bound is inclusive, the last bucket has all, and the sum is that of the times."""
    took = Instrument("x_seconds", "histogram", "x")
    for sec in times:
        took.took(sec)
    [sample] = took.family().samples
    assert list(sample.buckets) == [sum(sec <= end for sec in times) for end in (*BOUNDS_SEC, float("inf"))]
    assert sample.value == pytest.approx(sum(times))


@given(st.lists(st.tuples(st.text(), st.integers(0, 9)), max_size=300))
def test_no_input_makes_the_page_grow(counts: list[tuple[str, int]]) -> None:
    """Beyond a bound all names are one more; nothing that was counted is lost."""
    counter = Instrument("x_total", "counter", "x", ("name",))
    for name, count in counts:
        counter.add(count, name)
    samples = counter.family().samples
    assert len(samples) <= MOST_CHILDREN + 1
    assert sum(sample.value for sample in samples) == sum(count for _, count in counts)


@given(st.text(max_size=20))
def test_whatever_a_name_is_the_page_has_one_line_of_it(name: str) -> None:
    """Quotes, line ends and control characters of a label make no line of their own."""
    counter = Instrument("x_total", "counter", "x", ("name",))
    counter.add(1, name)
    text = to_text([counter.family()])
    assert len([line for line in text.split("\n") if line and not line.startswith("#")]) == 1


def test_threads_lose_no_count() -> None:
    """Many add at once."""
    counter = Instrument("x_total", "counter", "x")

    def count() -> None:
        for _ in range(1000):
            counter.add(1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sample.value for sample in counter.family().samples] == [4000]


def test_a_transaction_is_counted_by_what_it_wrote() -> None:
    """Outputs by topic and events by what became of them are those that were given; labels are declared."""

    def now() -> Counter[tuple[str, ...]]:
        return Counter(
            {tuple(one.labels.values()): int(one.value) for of in (OUTPUTS, EVENTS) for one in of.family().samples}
        )

    before = now()
    outputs = [Output("usage.dead_letters", b""), Output("alerts.budgets", b""), Output("usage.dead_letters", b"")]
    note_transaction("usage.events", 1, StepResult(outputs, 0, -1, counted={"priced": 5, "unpriced": 2}))
    assert now() - before == Counter(
        {("usage.dead_letters",): 2, ("alerts.budgets",): 1, ("priced",): 5, ("unpriced",): 2}
    )
    assert all(set(sample.labels) == set(one.labels) for one in ALL for sample in one.family().samples)


def test_one_who_says_nothing_holds_nobody_up() -> None:
    """The page is answered while another connection is silent; other paths are none of ours."""
    port = free_port()
    server = serve_text(port, lambda: "a 1\n")
    try:
        with (
            socket.create_connection(("127.0.0.1", port)),
            urllib.request.urlopen(page_url(port), timeout=30) as first,  # noqa: S310  our own page
        ):
            assert first.read() == b"a 1\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(page_url(port).replace("metrics", "secrets"), timeout=30)  # noqa: S310  our own page
    finally:
        server.shutdown()
        server.server_close()


def test_many_who_say_nothing_are_turned_away() -> None:
    """However many hold a connection open, a few threads serve them; the page is back when they have gone."""
    port = free_port()
    server = serve_text(port, lambda: "a 1\n")
    before = threading.active_count()
    peaks = [0]

    def turned_away() -> bool:
        peaks.append(threading.active_count() - before)
        return len(select.select(silent, [], [], 0)[0]) >= 2 * MOST_CALLERS

    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * MOST_CALLERS)]
    try:
        wait_for(turned_away, what="those without a place are turned away")
        assert 0 < max(peaks) <= MOST_CALLERS
        for one in silent:
            one.close()
        wait_for(lambda: threading.active_count() <= before, what="their threads have ended")
        with urllib.request.urlopen(page_url(port), timeout=30) as page:  # noqa: S310  our own page
            assert page.read() == b"a 1\n"
    finally:
        server.shutdown()
        server.server_close()
