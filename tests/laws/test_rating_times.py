"""Times read in columns are those that Python reads one by one."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.signals import rfc3339
from streams.rating.times import plain_times_us
from tests.laws.test_usage_codec import TIMES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001  bounds
digits = st.integers(0, 99).map("{:02d}".format)
odd = (
    st.sampled_from(TIMES)
    | st.text(max_size=30)
    | st.tuples(*[digits] * 8).map(lambda n: f"{n[0]}{n[1]}-{n[2]}-{n[3]}T{n[4]}:{n[5]}:{n[6]}.{n[7]}0000Z")
)


@settings(max_examples=30)
@given(st.lists(moments.map(rfc3339) | odd, min_size=1))
def test_plain_times_are_what_python_reads(texts: list[str]) -> None:
    """A text that is taken has Python's time; a text that Python refuses, or of before 2000, is never taken."""
    times_us, plain = plain_times_us(texts)
    for text, time_us, taken in zip(texts, times_us.tolist(), plain.tolist(), strict=True):
        if taken:
            at = datetime.fromisoformat(text)
            assert (at - EPOCH) // timedelta(microseconds=1) == time_us
            assert at.year >= 2000


@settings(max_examples=30)
@given(st.lists(moments.map(rfc3339) | odd, min_size=1))
def test_few_times_are_read_as_many_are(texts: list[str]) -> None:
    """What is read one by one, as it is in small batches, is what reading in columns says, text for text."""
    few_us, few = plain_times_us(texts[:20])
    many_us, many = plain_times_us([*texts[:20], *["2026-11-22T09:15:03.120000Z"] * 64])
    assert few.tolist() == many[: len(few)].tolist()
    assert few_us[few].tolist() == many_us[: len(few)][few].tolist()


@settings(max_examples=30)
@given(st.lists(moments, min_size=1))
def test_times_as_our_emitters_write_them_are_plain(some: list[datetime]) -> None:
    """Every time since 2000 with six decimals and Z is read in columns: leap days, century years, ends of months."""
    days = [datetime(year, 2, day, tzinfo=UTC) for year in (2000, 2024, 2025, 2100, 2400) for day in (28,)]
    leaps = [datetime(year, 2, 29, tzinfo=UTC) for year in (2000, 2024, 2400)]
    some = [*some, *days, *leaps]
    times_us, plain = plain_times_us([rfc3339(at) for at in some])
    assert plain.all()
    assert [(at - EPOCH) // timedelta(microseconds=1) for at in some] == times_us.tolist()
