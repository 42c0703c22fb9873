"""The stage of patterns as the lanes run it: one lane of logic per partition of `internal.steps`."""

from collections.abc import Sequence

from streams.checkpoints import STEP_BYTES
from streams.kept_lane import KeptLane, header_of
from streams.patterns.engine import advance
from streams.patterns.rows import rows_of
from streams.patterns.state import KEPT, PatternsState
from streams.ports import LaneLogic, Output, PolicyLog, SourceRecord, StepResult

SOURCE_TOPIC = "internal.steps"


class PatternsLane(KeptLane[PatternsState]):
    """The state and steps of patterns for one partition."""

    topic = SOURCE_TOPIC
    kept = KEPT

    def __init__(self, partition: int, policy_log: PolicyLog, *, step_bytes: int) -> None:
        super().__init__(partition, step_bytes=step_bytes)
        self._policy_log = policy_log

    def take(self, record: SourceRecord, *, silent: bool) -> tuple[Sequence[Output], bool]:
        """What a record leads to, and whether it has rows; what was said already costs nothing to say again."""
        del silent
        rows = rows_of(record)
        return advance(self.state, header_of(record, self.topic), rows, self._policy_log), rows is not None

    def standing(self) -> StepResult:
        """Where the state stands; nothing is ever held back."""
        return StepResult((), self.state.clock.lead_us, self.state.policy_offset)


class PatternsStage:
    """Makes the lanes of patterns; conforms to `streams.ports.StageLogic`."""

    name = "patterns"
    source_topics = (SOURCE_TOPIC,)

    def __init__(self, policy_log: PolicyLog, *, step_bytes: int = STEP_BYTES) -> None:
        self._policy_log = policy_log
        self._step_bytes = step_bytes

    def lane(self, topic: str, partition: int) -> LaneLogic:  # noqa: ARG002  it reads one topic
        """Fresh logic for a partition."""
        return PatternsLane(partition, self._policy_log, step_bytes=self._step_bytes)
