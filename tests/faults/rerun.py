"""Burn's conclusions made again from its recorded log, in a process that nobody hurt."""

from collections.abc import Sequence

from schemas.connection import KafkaSettings
from schemas.heartbeats import OWN_ORG
from schemas.keys import partition_for
from schemas.signals import Alert, BudgetStates, CloudSignal, Rates
from schemas.topics import BY_NAME, PARTITIONS
from streams.burn.stage import BurnStage
from streams.policy_log import PolicyFolds
from streams.ports import SourceBatch
from tests.faults.reading import Concluded, read_partition

SIGNALS = ("alerts.budgets", "alerts.anomalies", "alerts.governance", "alerts.value", "usage.rates")
_BATCH = 500


def rerun(kafka: KafkaSettings, concluded: Concluded) -> dict[tuple[str, int], list[bytes]]:
    """Per signal topic and lane of burn: the values that a fresh lane sends for the deltas below its position."""
    policies = PolicyFolds()
    for record in read_partition(kafka, "usage.policies", 0):
        policies.add(record)
    found: dict[tuple[str, int], list[bytes]] = {(topic, lane): [] for topic in SIGNALS for lane in range(PARTITIONS)}
    for lane in range(PARTITIONS):
        logic = BurnStage(policy_log=policies).lane("internal.deltas", lane)
        end = concluded.next_offsets.get(lane, 0)
        records = [record for record in read_partition(kafka, "internal.deltas", lane) if record.offset < end]
        for start in range(0, len(records), _BATCH):
            batch = SourceBatch("internal.deltas", lane, records[start : start + _BATCH])
            for output in logic.step(batch).outputs:
                if output.topic in SIGNALS:
                    found[output.topic, lane].append(output.value)
    return found


def said_by_lane(concluded: Concluded) -> dict[tuple[str, int], list[bytes]]:
    """What the stack has said, per topic and lane of burn, in order: the org of a signal tells its lane."""
    found: dict[tuple[str, int], list[bytes]] = {(topic, lane): [] for topic in SIGNALS for lane in range(PARTITIONS)}
    deltas = BY_NAME["internal.deltas"].partitions
    for topic, partitions in concluded.signals.items():
        for records in partitions:
            for record in records:
                data = CloudSignal.model_validate_json(record.value or b"").data
                if isinstance(data, Alert | Rates | BudgetStates) and data.org != OWN_ORG:  # of heartbeats, not burn's
                    found[topic, partition_for(data.org.encode(), deltas)].append(record.value or b"")
    return found


def difference(again: Sequence[bytes], said: Sequence[bytes]) -> str:
    """What tells the re-run from what was said, which may have gone on since; '' where they agree."""
    for number, (one, other) in enumerate(zip(again, said, strict=False)):
        if one != other:
            return f"signal {number}: re-run {_short(one)}, said {_short(other)}"
    if len(said) < len(again):
        return f"{len(again) - len(said)} signals were never said, the first is {_short(again[len(said)])}"
    return ""


def _short(value: bytes) -> str:
    return value.decode()[:400]
