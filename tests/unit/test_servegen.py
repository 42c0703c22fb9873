"""Requests drawn from ServeGen's rates: as many as the rates say, of the lengths that are there, the same each time."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers.dialect import Draft, Skipped
from producers.plan import prepare, read
from producers.servegen.requests import START, thinned
from producers.servegen.requests import read as drawn
from producers.servegen.tokens import lengths_of
from producers.stamp import parse_sets
from schemas.errors import InputError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETS = parse_sets(["org=acme", "provider=deepseek", "model=deepseek-r1"])
EXAMPLE = Path(__file__).parents[1] / "golden/producers/servegen"
SERVEGEN = Path(__file__).parents[3] / "shared/data/servegen/reason"
DATASET = json.dumps({"0": {"input_tokens": "{1: 0.25, 2: 0.75}", "output_tokens": "{3: 1.0}"}})


def lines(*rows: str, dataset: str | None = DATASET, name: str = "m/chunk-0") -> Iterator[str]:
    """The lines of a trace behind the line that says its name and dataset."""
    yield json.dumps({"file": f"{name}-trace.csv", "beside": dataset})
    yield from rows


def drafts(*rows: str, share: float = 1.0, name: str = "m/chunk-0") -> list[Draft]:
    """The requests that are drawn from these rows."""
    return [found for found in drawn(lines(*rows, name=name), share=share) if isinstance(found, Draft)]


@pytest.mark.parametrize(
    ("rate", "share", "least", "most"), [(1.5, 1, 900, 900), (0.5, 0.01, 3, 3), (0.5, 0.005, 1, 2)]
)
def test_a_window_has_as_many_requests_as_its_rate_says(rate: float, share: float, least: int, most: int) -> None:
    """Rate times ten minutes times share; what is no whole number is rounded by chance."""
    assert least <= len(drafts(f"0,{rate},0,,0,0", share=share)) <= most


def test_requests_are_spread_over_their_own_window() -> None:
    """Each stands in its own equal part of the window, in order."""
    found = drafts("600,0.1,9,Weibull,0.2,0.1", "1200,0,0,,0,0")
    parts = [(draft.time - START - timedelta(seconds=600)) // timedelta(seconds=10) for draft in found if draft.time]
    assert parts == list(range(60))


def test_lengths_come_from_the_distribution() -> None:
    """Three of four prompts have two tokens, and every answer has three."""
    found = drafts("0,10,0,,0,0")
    counts = Counter(draft.data["input_tokens"] for draft in found)
    assert counts.keys() == {1, 2}
    assert counts[2] / len(found) == pytest.approx(0.75, abs=0.03)
    assert {draft.data["output_tokens"] for draft in found} == {3}


def test_the_same_folder_draws_the_same_requests_again(tmp_path: Path) -> None:
    """Wherever the folder lies; another share, another client or another import draws others."""
    copy = tmp_path / "servegen"
    shutil.copytree(EXAMPLE, copy)

    def values(folder: Path, share: float | None = None) -> set[bytes]:
        plan = prepare("servegen", [str(folder)], now=NOW, sets=SETS, share=share)
        return {item.value for item in read(plan, now=NOW) if not isinstance(item, Skipped)}

    whole = values(EXAMPLE)
    assert whole == values(copy) == values(copy)
    assert not whole & values(EXAMPLE, share=0.5)
    one, other = drafts("0,1,0,,0,0"), drafts("0,1,0,,0,0", name="m/chunk-1")
    assert not {draft.content for draft in one} & {draft.content for draft in other}


def test_what_has_no_lengths_is_skipped_and_said() -> None:
    """Of a client without dataset each window is skipped with how many requests are left out; no rate is no row."""
    found = list(drawn(lines("0,0,0,,0,0", "600,2,0,,0,0", dataset=None)))
    assert found == [
        Skipped(2, "no_dataset", "no dataset file beside this trace; about 1,200 requests of m/chunk-0 are left out")
    ]


@pytest.mark.parametrize(
    "dataset",
    ["{", "[]", '{"a": {}}', '{"0": {"input_tokens": "__import__(1)"}}', '{"0": {"output_tokens": "{1: -1}"}}'],
)
def test_what_is_no_dataset_is_refused(dataset: str) -> None:
    """Texts that are no distributions are refused, and nothing of them is run."""
    with pytest.raises(InputError, match="none of ServeGen's"):
        lengths_of(dataset)


def test_a_file_alone_says_what_to_name() -> None:
    """From standard input there is no dataset beside it."""
    with pytest.raises(InputError, match="name the folder"):
        list(drawn(["0,1,0,,0,0"]))


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    """More than nothing and at most all; formats that hold their events are not thinned."""
    with pytest.raises(InputError, match="--share"):
        thinned(share)
    with pytest.raises(InputError, match="those of burnline are sent as they are"):
        prepare("burnline", ["-"], now=NOW, share=0.5)


@pytest.mark.skipif(not SERVEGEN.exists(), reason="the ServeGen series are not beside this checkout (shared/data)")
def test_a_real_folder_is_drawn_to_its_share() -> None:
    """A thousandth of the 1.2 million requests of a day of a reasoning model, none skipped."""
    trace = SERVEGEN / "deepseek-r1/chunk-35-trace.csv"
    rates = sum(float(line.split(",")[1]) for line in trace.read_text().splitlines())
    plan = prepare("servegen", [str(trace)], now=NOW, sets=SETS, share=0.01)
    found = list(read(plan, now=NOW))
    assert not any(isinstance(item, Skipped) for item in found)
    assert len(found) == pytest.approx(rates * 600 * 0.01, rel=0.02)
