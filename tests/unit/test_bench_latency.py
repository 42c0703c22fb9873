"""The bench of latency: its events are sound, its probes break a budget of their own, its spread is honest."""

import json
import os
import signal
import tomllib
from datetime import UTC, datetime

import pytest
import typer
from typer.core import TyperCommand

from deploy.bench.latency import latency_of
from deploy.bench.latency_load import PROBES, company, probe
from deploy.cli.bench import ends_as_by_hand
from schemas.signals import rfc3339
from schemas.usage_codec import decode


def test_load_and_probes_are_events_of_the_contract_under_another_name() -> None:
    """Each event has its own id, its time and the org that it was given; each probe is a user of its own."""
    load = company("bench-1")
    at = rfc3339(datetime.now(UTC)).encode()
    events = [template.filled(f"e-{number}".encode(), at) for number, template in enumerate(load.templates[:50])]
    for number, event in enumerate(events):
        said = json.loads(event)
        assert (said["id"], said["time"], said["data"]["org"]) == (f"e-{number}", at.decode(), "bench-1")
    key, event = probe("bench-1", "probe-7")
    assert (key, json.loads(event)["data"]["user"]) == (b"probe-7", "probe-7")
    for one in (*events, event):
        assert decode(one).id
    budgets = {one["id"]: one for one in tomllib.loads(load.budgets_toml)["budget"]}
    assert budgets[PROBES]["each"] == "user"
    assert {one["org"] for one in budgets.values()} == {"bench-1"}


def test_what_did_not_come_out_is_missing_and_not_quick() -> None:
    """Quantiles are of what came; how many did not is said; of nothing there is none."""
    found = latency_of([0.1 * number for number in range(1, 101)], sent=103)
    assert (found.probes, found.missing, found.p50_sec, found.p99_sec, found.most_sec) == (103, 3, 5.1, 10.0, 10.0)
    assert (latency_of([], sent=2).missing, latency_of([], sent=2).p99_sec) == (2, None)


def test_a_benchmark_that_is_ended_stops_what_it_started() -> None:
    """SIGTERM leaves it as Ctrl-C does, through every `finally`; a second one does not cut that short."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    context = typer.Context(TyperCommand("bench"))
    stopped: list[str] = []
    try:
        with context:
            ends_as_by_hand(context)
            with pytest.raises(SystemExit, match="143"):
                _ended_twice(stopped)
        assert (stopped, signal.getsignal(signal.SIGTERM)) == (["storage"], signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended_twice(stopped: list[str]) -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        stopped.append("storage")
