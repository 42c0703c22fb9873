"""Saved reports of the providers' admin APIs, and the figures that they say; shapes as their documentation has them."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.provider_reports.reading import read_reports, within
from schemas.errors import InputError

FOLDER = Path(__file__).parent / "provider_reports"
CASES = sorted(path.name for path in FOLDER.iterdir() if ".expected." not in path.name)


def text(name: str) -> str:
    """A saved report."""
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_report_says_these_figures(name: str) -> None:
    """Each figure is exact and in its day of UTC; what is null or absent is not known, and never zero."""
    report = read_reports({name: text(name)})
    expected = [json.loads(line) for line in text(f"{name.partition('.')[0]}.expected.jsonl").splitlines()]
    said = [
        [str(one.day), one.model, one.measure, None if one.amount is None else str(one.amount)]
        for one in report.figures
    ]
    assert said == expected
    assert report.provider == name.partition("_")[0]


def test_pages_may_come_in_any_wrapping_and_twice() -> None:
    """A page, a list of pages, JSON lines and bare buckets say the same; a page saved twice counts once."""
    page = text("openai_completions.json")
    parsed = json.loads(page)
    expected = read_reports({"a": page}).figures
    shapes = [f"[{page}]", json.dumps(parsed) + "\n" + json.dumps(parsed), json.dumps(parsed["data"])]
    for shape in shapes:
        assert read_reports({"a": shape, "b": page}).figures == expected


def bucket(hour: int = 0, **changes: Any) -> dict[str, Any]:
    """An hour of a usage report."""
    result = {"object": "organization.usage.completions.result", "input_tokens": 1, "output_tokens": 1,
              "num_model_requests": 1, "model": "gpt-4o"}  # fmt: skip
    start = 1763769600 + 3600 * hour
    return {"object": "bucket", "start_time": start, "end_time": start + 3600, "results": [result | changes]}


REFUSED: dict[str, tuple[Any, str]] = {
    "another content": ({"data": [bucket(), bucket(input_tokens=2)]}, "do not say the same"),
    "overlapping": ({"data": [bucket(), {**bucket(), "end_time": 1763769600 + 86400}]}, "do not say the same"),
    "two days": ({"data": [{**bucket(20), "end_time": 1763769600 + 2 * 86400}]}, "one day of UTC"),
    "backwards": ({"data": [{**bucket(), "end_time": 1}]}, "one day of UTC"),
    "a fraction of a token": ({"data": [bucket(input_tokens=1.5)]}, "input_tokens is a whole number"),
    "below zero": ({"data": [bucket(output_tokens=-1)]}, "output_tokens is a whole number"),
    "euro": ({"data": [bucket(object="organization.costs.result", amount={"value": 1, "currency": "eur"})]}, "in usd"),
    "no number": ({"data": [bucket(object="organization.costs.result", amount={"value": "x"})]}, "is a number"),
    "no times": ({"data": [{"results": []}]}, "neither start_time"),
    "no report": ({"error": {"message": "invalid api key"}}, "write pages"),
    "no object": ({"data": [1]}, "no object"),
    "nothing": ([], "no bucket"),
    "two providers": ([{"data": [bucket()]}, json.loads(text("anthropic_cost.json"))], "one provider at a time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_sound_report_is_refused(name: str) -> None:
    """What cannot be added up is refused, and the sentence says why."""
    content, why = REFUSED[name]
    with pytest.raises(InputError, match=why):
        read_reports({"a.json": json.dumps(content)})


def test_a_file_that_is_no_json_is_refused_by_name() -> None:
    """The sentence names the file; a report of another provider than the one asked for is refused, too."""
    with pytest.raises(InputError, match=r"a\.json: not JSON"):
        read_reports({"a.json": "<html>"})
    with pytest.raises(InputError, match="not of openai"):
        read_reports({"a.json": text("anthropic_cost.json")}, provider="openai")


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("openai_completions.json", '"start_time": 1', '"start_time": 1000000000', "seconds of our calendar"),
        ("openai_completions.json", '"input_tokens": ', '"input_tokens": 9000000000000000', "up to 1000000000000000"),
        ("openai_completions.json", '"input_tokens": ', f'"input_tokens": {"9" * 5000}', "a number"),
        ("openai_completions.json", '"model": "', '"model": [], "other": "', "model is text"),
        ("openai_completions.json", "{", "[" * 100_000 + "{", "nested too deeply"),
        ("openai_costs.jsonl", '"value": ', '"value": 1e999999, "other": ', "up to 1000000000000000"),
        ("anthropic_messages.json", 'ing_at": "2', 'ing_at": "0001-01-01T00:00:00+14:00", "x": "2', "our calendar"),
    ],
)  # fmt: skip
def test_a_number_or_name_of_no_report_is_refused(name: str, old: str, new: str, why: str) -> None:
    """Whatever stands where a time, a count, an amount or a model belongs: a sentence, never a crash."""
    broken = text(name).replace(old, new, 1)
    assert broken != text(name)
    with pytest.raises(InputError, match=why):
        read_reports({"a.json": broken})


def test_what_is_no_token_and_no_money_is_named_and_left_out() -> None:
    """Images and seconds are not compared, and a page that says there is more is no whole report: both are said."""
    image = {"object": "organization.usage.images.result", "images": 2, "num_model_requests": 1}
    report = read_reports({"a": json.dumps({"data": [{**bucket(), "results": [image]}], "has_more": True})})
    assert report.figures == ()
    assert [note.split(";")[0] for note in report.notes] == [
        "a: a page says that there are more", "not compared: organization.usage.images.result",
    ]  # fmt: skip


def test_within_keeps_whole_days() -> None:
    """`since` is included and `until` is not; both mean days of UTC."""
    report = read_reports({"a": text("anthropic_messages.json")})
    second = within(report, since=datetime(2025, 8, 2, tzinfo=UTC), until=datetime(2025, 8, 3, tzinfo=UTC))
    assert {one.day for one in second.figures} == {date(2025, 8, 2)} == {one.start.date() for one in second.spans}
    assert within(report, since=None, until=datetime(2025, 8, 1, tzinfo=UTC)).figures == ()
