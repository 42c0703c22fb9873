"""How long a batch is changes what it costs, not what is said."""

from collections.abc import Sequence
from random import Random
from typing import Any

from schemas.internal import CODED_ROWS
from streams.ports import StepResult
from tests.laws.rating_events import (
    MODELS,
    NOW_US,
    Event,
    arrow,
    dead_letters_of,
    event,
    new_lane,
    raw,
    records,
    rfc3339,
    rows_of,
)
from tests.laws.test_rating_laws import POLICIES, cut, merged, run


def test_long_batches_say_what_short_ones_say() -> None:
    """Few rows are coded and written by Python, many by Arrow: rows, sums and steps are the same."""
    dice = Random(8)  # noqa: S311  made-up events, the same each time
    some = [raw(_any_event(dice, f"e-{at}")) for at in range(2 * CODED_ROWS)]
    log = records([*some, *some[:9], b"{"])
    whole = run(new_lane(*POLICIES), [log])
    parts = run(new_lane(*POLICIES), cut(log, range(0, len(log), CODED_ROWS // 3)))
    for said in (rows_of, dead_letters_of):
        assert [one for result in whole for one in said(result)] == [one for result in parts for one in said(result)]
    assert _single_steps(whole) == _single_steps(parts)
    assert merged(whole) == merged(parts)


def _any_event(dice: Random, id_: str) -> Event:
    words: dict[str, Any] = {
        name: dice.choice([None, "a", "b", "c", "größe"])
        for name in (
            "team",
            "user",
            "credential",
            "agent",
            "project",
            "pool",
            "client_address_hash",
            "run",
            "import_id",
        )
    }
    provider, model = dice.choice(MODELS)
    return event(
        id_,
        time=rfc3339(NOW_US - dice.randrange(90_000_000)),
        org=dice.choice(["acme", "globex", "initech"]),
        provider=provider,
        model=model,
        output_tokens=120 + dice.randrange(300_000),
        latency_ms=dice.choice([None, 7, 900]),
        gateway_cache_hit=dice.choice([None, None, True]),
        **words,
    )


def _single_steps(results: Sequence[StepResult]) -> list[dict[str, Any]]:
    """Steps that are no rests, without what they do not say; of each organisation in order."""
    pieces = (piece for result in results for piece in arrow(result, "internal.steps"))
    rows = [row for piece in pieces for row in piece.to_pylist()]
    said = [{name: word for name, word in row.items() if word is not None} for row in rows]
    return sorted((row for row in said if "credential" in row), key=lambda row: str(row["org"]))
