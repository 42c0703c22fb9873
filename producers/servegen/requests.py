"""Requests drawn from ServeGen's rates and distributions: the format holds none, so these never happened. Pure.

Laws
1. The same client, window and share draw the same requests on every machine, for ever: only random() of Python's
   generator, seeded by all of the window's content, and exact arithmetic.
2. A window has as many requests as its rate says, times the share; fractions are rounded by chance.
3. They are spread over the window, one at a random moment of each equal part. The arrival pattern and its coefficient
   of variation say how bursty it was within the ten minutes, and are not followed.
The trace has no date: it begins at 2000-01-01 UTC, replay it with `--at now`. It names no org, provider or model; its
client becomes the credential, `folder/chunk-N`, and `usage_source` says `estimated`.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from random import Random

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.servegen.tokens import Lengths, lengths_at, lengths_of
from producers.servegen.trace import DATASET_SUFFIX, TRACE_SUFFIX, WINDOW_SEC, Window, read_windows
from schemas.errors import InputError

START = datetime(2000, 1, 1, tzinfo=UTC)
_NEARLY_WHOLE = 1e-6


def read(lines: Lines, *, share: float = 1.0) -> Iterator[Row]:
    """The requests of each window; a window with a rate and no known lengths is one skipped row.

    The first line is what `producers.files` puts before a file that has one beside it: its name and the other's text.
    Raises: InputError: the dataset cannot be read, or the first line is missing.
    """
    numbered = iter(lines)
    client, dataset = _header(next(numbered, ""))
    lengths = lengths_of(dataset) if dataset is not None else None
    rows = list(read_windows(enumerate(numbered, start=1)))
    window_sec = _window_sec([row for row in rows if isinstance(row, Window)])
    for row in rows:
        if isinstance(row, Skipped):
            yield row
        else:
            yield from _requests(row, client, lengths, window_sec=window_sec, share=share)


def _window_sec(windows: Sequence[Window]) -> int:
    """How long the windows of a trace are: the least time between two, as rows may be missing."""
    starts = sorted({window.at_sec for window in windows})
    return min((after - before for before, after in pairwise(starts)), default=WINDOW_SEC)


def _header(line: str) -> tuple[str, str | None]:
    try:
        header = json.loads(line)
        return header["file"].removesuffix(TRACE_SUFFIX), header["beside"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"format servegen reads files named *{TRACE_SUFFIX}, with *{DATASET_SUFFIX} beside them: name the folder"
        ) from None


def _requests(
    window: Window, client: str, lengths: tuple[Lengths, ...] | None, *, window_sec: int, share: float
) -> Iterator[Row]:
    if not window.requests_per_sec:
        return
    known = lengths_at(lengths, window.at_sec) if lengths is not None else None
    if known is None:
        what = "no dataset file beside this trace" if lengths is None else "no lengths in the dataset up to this window"
        said = f"{what}; about {window.requests_per_sec * window_sec:,.0f} requests of {client} are left out"
        yield Skipped(window.row, "no_dataset" if lengths is None else "no_lengths", said)
        return
    seed = f"{client}\n{window.content}\n{share!r}"
    uniform = Random(seed).random  # noqa: S311  a drawn request keeps no secret
    count = _whole(window.requests_per_sec * window_sec * share, uniform())
    for place in range(count):
        at_us = int((place + uniform()) / count * window_sec * 1_000_000)
        data = {**known.draw(uniform), "credential": client, "usage_source": "estimated"}
        at = START + timedelta(seconds=window.at_sec, microseconds=at_us)
        yield Draft(window.row, f"{seed}\n{place}", at, data)


def _whole(expected: float, chance: float) -> int:
    nearest = round(expected)
    return nearest if abs(expected - nearest) < _NEARLY_WHOLE * max(expected, 1.0) else int(expected + chance)


def thinned(share: float) -> Dialect:
    """The format with this share of its requests, more than 0 and at most 1."""
    if not 0 < share <= 1:
        raise InputError(f"--share {share:g}: write a share of the requests, like 0.001; more than 0 and at most 1")
    return Dialect(
        name="servegen",
        about="ServeGen's folders of rates and token distributions; requests are drawn from them",
        read=partial(read, share=share),
        needs=("org", "provider", "model"),
        files=(f"*{TRACE_SUFFIX}",),
        beside=(TRACE_SUFFIX, DATASET_SUFFIX),
        thinned=thinned,
    )


DIALECT = thinned(1.0)
