"""What burn and patterns concluded, made again from their recorded logs in a process that nobody hurt."""

from collections.abc import Sequence

from schemas.connection import KafkaSettings
from schemas.heartbeats import OWN_ORG
from schemas.keys import partition_for
from schemas.signals import Advice, Alert, BudgetStates, CloudSignal, Rates
from schemas.topics import PARTITIONS
from streams.burn.stage import BurnStage
from streams.patterns.drafts import RULES
from streams.patterns.stage import PatternsStage
from streams.policy_log import PolicyFolds
from streams.ports import SourceBatch
from tests.faults.reading import Concluded, read_partition

ALERTS = ("alerts.budgets", "alerts.anomalies", "alerts.governance")
"""What follows from the logs alone; `alerts.value` and advice about use cases are the sink's, from the ledger."""
SIGNALS = (*ALERTS, "usage.rates", "control.advice")
STAGES: dict[str, type[BurnStage] | type[PatternsStage]] = {"burn": BurnStage, "patterns": PatternsStage}
_BATCH = 500
Key = tuple[str, str, int]
"""Stage, topic of signals, lane."""


def rerun(kafka: KafkaSettings, concluded: Concluded) -> dict[Key, list[bytes]]:
    """The values that fresh lanes of each stage send for what stood below their positions."""
    policies = PolicyFolds()
    for record in read_partition(kafka, "usage.policies", 0):
        policies.add(record)
    found = _nothing()
    for name, stage in STAGES.items():
        made = stage(policy_log=policies)
        (source,) = made.source_topics
        for lane in range(PARTITIONS):
            logic, end = made.lane(source, lane), concluded.next_offsets.get((name, lane), 0)
            records = [record for record in read_partition(kafka, source, lane) if record.offset < end]
            for start in range(0, len(records), _BATCH):
                for output in logic.step(SourceBatch(source, lane, records[start : start + _BATCH])).outputs:
                    if output.topic in SIGNALS:
                        found[name, output.topic, lane].append(output.value)
    return found


def _nothing() -> dict[Key, list[bytes]]:
    return {(stage, topic, lane): [] for stage in STAGES for topic in SIGNALS for lane in range(PARTITIONS)}


def said_by_lane(concluded: Concluded) -> dict[Key, list[bytes]]:
    """What the stack has said, by stage, topic and lane, in order: the org of a signal tells its lane."""
    found = _nothing()
    for topic, partitions in concluded.signals.items():
        for records in partitions:
            for record in records:
                data = CloudSignal.model_validate_json(record.value or b"").data
                if isinstance(data, Advice) and data.entity_type == "use_case":
                    continue
                if isinstance(data, Alert | Rates | BudgetStates | Advice) and data.org != OWN_ORG:  # of heartbeats
                    stage = "patterns" if isinstance(data, Advice) or _of_patterns(data) else "burn"
                    lane = partition_for(data.org.encode(), PARTITIONS)
                    found[stage, topic, lane].append(record.value or b"")
    return found


def _of_patterns(data: Alert | Rates | BudgetStates) -> bool:
    return isinstance(data, Alert) and data.rule in RULES


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
