"""Models that are used and have no known price: one finding for each org and model while that lasts.

Laws
1. The first live request without a price opens the finding; it holds while such requests come, and ends when the log
   has seen none for `QUIET_US`. A job that runs once a day is one finding.
2. Requests and ceilings are exact sums of live rows since it opened. Backfill and corrections open nothing.
"""

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from schemas.money import join_pico_usd, split_pico_usd, usd
from schemas.periods import instant
from schemas.signals import Alert
from streams.burn import messages
from streams.burn.deltas import Deltas
from streams.burn.state import BurnState, Unpriced

Ints = npt.NDArray[np.int64]
RULE = "unpriced_model"
QUIET_US = 26 * 3_600_000_000
"""A day, and two hours in which a daily job may be late."""


def take(state: BurnState, deltas: Deltas, entities: Ints) -> list[Alert]:
    """The rows are counted; the findings that open, by org and model."""
    rows = entities[(deltas.unpriced[entities] > 0) & deltas.live[entities]]
    new: list[tuple[str, str]] = []
    for row in rows.tolist():
        org, kind, model, _ = deltas.keys[int(deltas.key_of_row[row])]
        if kind != "model":
            continue
        held = state.unpriced.get((org, model))
        if held is None:
            held = state.unpriced[org, model] = Unpriced(org, model)
            new.append((org, model))
        held.requests += int(deltas.unpriced[row])
        added_pico = join_pico_usd(int(deltas.ceiling_micro[row]), int(deltas.ceiling_pico[row]))
        whole_pico = join_pico_usd(held.ceiling_micro, held.ceiling_pico) + added_pico
        held.ceiling_micro, held.ceiling_pico = split_pico_usd(whole_pico)
        held.newest_us = state.clock.lead_us
    fired = (state.episodes.fire(_finding(state, state.unpriced[key])) for key in sorted(new))
    return [alert for alert in fired if alert is not None]


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts, with the sums of the whole finding, of models that were quiet for long enough at the floor."""
    alerts = []
    at = instant(state.clock.lead_us)
    for key, held in sorted(state.unpriced.items()):
        if held.newest_us > floor_us - QUIET_US:
            continue
        del state.unpriced[key]
        episode = (RULE, held.org, f"model/{held.model}", "", "", "unpriced")
        if episode in state.episodes.open:
            numbers, because = _finding(state, held), "no such request for a day"
            over = state.episodes.resolve(episode, at=at, why="calmed_down", because=because, numbers=numbers)
            alerts.append(over)
    return alerts


def _finding(state: BurnState, held: Unpriced) -> Alert:
    return messages.unpriced_alert(
        org=held.org,
        model=held.model,
        requests=Decimal(held.requests),
        ceiling_usd=usd(join_pico_usd(held.ceiling_micro, held.ceiling_pico)),
        at=instant(state.clock.lead_us),
    )
