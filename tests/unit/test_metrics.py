"""Numbers for Prometheus: the format, what is told of a stack, and rules that name only what there is."""

import re
import shutil
import subprocess
import threading
from dataclasses import replace as changed
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.clickhouse.numbers import STATEMENT
from deploy.metrics.families import FAMILIES, Vitals, families_of
from deploy.metrics.gathering import Gathering
from producers.collector.numbers import ALL as COLLECTORS
from schemas.errors import KafkaUnavailableError
from schemas.heartbeats import COLLECTOR, Beat
from schemas.numbers import Family, Sample
from schemas.numbers_page import to_text
from sinks.numbers import NOTIFIER, SINK
from streams.numbers import ALL as STAGE
from tests.unit.test_stack_rules import NOW_US, healthy

LABELS_OF = {one.name: one.labels for one in (*STAGE, *SINK, *NOTIFIER, *COLLECTORS, STATEMENT)}
RULES = (Path(__file__).parents[2] / "deploy" / "prometheus" / "burnline.rules.yml").read_text()
LABELS = {"part", "stage", "topic", "lane"}
OF_TARGETS = {"process"}
_LINE = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+-]+')


def full() -> dict[str, Family]:
    """Every family of a healthy stack of which everything is known."""
    beat = Beat(lane=1, beat_id="b", sent_us=NOW_US - 5_000_000, received_us=0, rated_us=NOW_US - 4_500_000)
    collectors = replace(beat, lane=0, beat_id=f"{COLLECTOR}b", sent_us=NOW_US - 9_000_000)
    vitals = Vitals(
        {"rating": 10**8}, {"rating": 2.5}, [collectors, beat], {0: NOW_US - 60_000_000}, 10**10, NOW_US - 7_000_000
    )
    return {family.name: family for family in families_of(healthy(), vitals)}


def test_each_line_is_one_number_with_its_labels() -> None:
    """Whole numbers are whole, quotes and line ends are escaped, and a family without a sample is not told."""
    some = Family("a", "gauge", "b\nc", (Sample(1.0, {"x": 'q"\n\\'}), Sample(0.25, {"x": "r"})))
    assert to_text([some, Family("none", "gauge", "x", ())]) == (
        '# HELP a b\\nc\n# TYPE a gauge\na{x="q\\"\\n\\\\"} 1.0\na{x="r"} 0.25\n'
    )


def test_every_family_is_told_of_a_stack_that_is_known() -> None:
    """No family is declared and never filled; labels are of a fixed few kinds."""
    found = full()
    assert {name for name, family in found.items() if family.samples} == set(FAMILIES)
    assert {label for family in found.values() for sample in family.samples for label in sample.labels} == LABELS
    lines = to_text(found.values()).splitlines()
    assert [line for line in lines if not line.startswith("# ") and _LINE.fullmatch(line) is None] == []


def test_ages_of_heartbeats_are_told_by_lane() -> None:
    """Sent 5 s ago, through after half a second; lanes of which none is known are as old as the oldest, at least."""
    found = full()
    ages = {one.labels["lane"]: one.value for one in found["burnline_heartbeat_age_seconds"].samples}
    assert ages == {"0": 9.0, "1": 5.0, "2": 9.0, "3": 9.0}
    assert Sample(0.5, {"lane": "1"}) in found["burnline_heartbeat_delay_seconds"].samples


def test_the_first_and_the_last_leg_of_heartbeats_are_told() -> None:
    """When the collector's own newest one was sent, and the newest one that ClickHouse has."""
    found = full()
    assert found["burnline_collector_heartbeat_age_seconds"].samples == (Sample(9.0, {}),)
    assert found["burnline_heartbeat_stored_age_seconds"].samples == (Sample(7.0, {}),)


def test_what_is_not_known_is_not_zero() -> None:
    """Without Kafka nothing is told of positions, and parts are told to be down or degraded."""
    away = changed(healthy(), said=None, ends=None, kafka_reason="no answer")
    found = {family.name: family.samples for family in families_of(away, Vitals())}
    told = {name for name, samples in found.items() if samples}
    parts = {f"burnline_part_{name}" for name in ("up", "healthy", "restarts_total", "uptime_seconds")}
    assert told == parts | {"burnline_look_timestamp_seconds"}
    assert Sample(0.0, {"part": "kafka"}) in found["burnline_part_up"]


def test_rules_name_only_what_is_told() -> None:
    """Each rule has an expression, a severity and a sentence; its numbers and labels are those of the page."""
    rules = re.split(r"^ +- alert: ", RULES, flags=re.MULTILINE)[1:]
    names = [rule.splitlines()[0] for rule in rules]
    assert len(set(names)) == len(names) >= 16
    found = full()
    for rule in rules:
        [expression] = re.findall(r"^ +expr: (.+)$", rule, flags=re.MULTILINE)
        assert re.search(r"labels: \{severity: (critical|warning|none)\}", rule), rule
        assert re.search(r"summary: .{20,}", rule), rule
        named = re.findall(r"burnline_[a-z_]+", expression)
        metrics = {re.sub(r"(?<=_seconds)_(sum|count|bucket)$", "", name) for name in named}
        assert metrics <= {*FAMILIES, *LABELS_OF}, rule
        labels = {
            label for name in metrics & set(FAMILIES) for sample in found[name].samples for label in sample.labels
        }
        labels |= {label for name in metrics - set(FAMILIES) for label in (*LABELS_OF[name], *OF_TARGETS)}
        assert set(re.findall(r"\$labels\.([a-z]+)", rule)) <= labels, rule
        assert set(re.findall(r"([a-z]+)=\"", expression)) <= labels, rule


def test_a_late_look_leaves_the_page_on_time() -> None:
    """While a look takes long the page has the last one; the fresh one is there as soon as it is done."""
    begun, go_on = threading.Event(), threading.Event()
    texts = iter(["first", "second"])

    def look() -> str:
        text = next(texts)
        if text == "second":
            begun.set()
            go_on.wait(30)
        return text

    page = Gathering(look, fresh_sec=0, wait_sec=0.01)
    assert page.text() == "first"
    assert page.text() == "first"
    assert begun.wait(30)
    go_on.set()
    page.wait()
    assert page.newest() == "second"


def test_a_page_without_a_look_says_so() -> None:
    """Who asks before anything was seen is told to come back; nothing is invented."""

    def look() -> str:
        raise KafkaUnavailableError("no broker answers")

    with pytest.raises(KafkaUnavailableError, match="not looked at yet"):
        Gathering(look).text()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_rules_say_of_stories_what_they_should() -> None:
    """A stopped rating is told within three minutes; what is well is not, as Prometheus itself reads it."""
    folder = Path(__file__).parents[2] / "deploy" / "prometheus"
    for asked in (("check", "config", "prometheus.yml"), ("test", "rules", "burnline.tests.yml")):
        done = subprocess.run(["promtool", *asked], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
