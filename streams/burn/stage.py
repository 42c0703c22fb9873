"""The burn stage as the lanes run it: one lane of logic per partition of `internal.deltas`."""

from collections.abc import Sequence

from streams.burn import publishing
from streams.burn.checkpoint import KEPT
from streams.burn.deltas import deltas_of
from streams.burn.engine import advance
from streams.burn.heartbeats import heartbeat
from streams.burn.state import BurnState
from streams.checkpoints import STEP_BYTES
from streams.kept_lane import KeptLane, header_of
from streams.ports import LaneLogic, Output, PolicyLog, SourceRecord, StepResult

SOURCE_TOPIC = "internal.deltas"


class BurnLane(KeptLane[BurnState]):
    """The state and steps of burn for one partition."""

    topic = SOURCE_TOPIC
    kept = KEPT

    def __init__(self, partition: int, policy_log: PolicyLog, *, step_bytes: int) -> None:
        super().__init__(partition, step_bytes=step_bytes)
        self._policy_log = policy_log

    def take(self, record: SourceRecord, *, silent: bool) -> tuple[Sequence[Output], bool]:
        """What a record leads to, and whether it has rows; a heartbeat is only said."""
        if (beat := heartbeat(record)) is not None:
            return [beat], False
        deltas, header = deltas_of(record), header_of(record, self.topic)
        return advance(self.state, header, deltas, self._policy_log, silent=silent), deltas is not None

    def standing(self) -> StepResult:
        """Where the state stands, and how many conclusions it holds back."""
        state = self.state
        return StepResult((), state.clock.lead_us, state.policy_offset, publishing.held_back(state))


class BurnStage:
    """Makes the lanes of burn; conforms to `streams.ports.StageLogic`."""

    name = "burn"
    source_topics = (SOURCE_TOPIC,)

    def __init__(self, policy_log: PolicyLog, *, step_bytes: int = STEP_BYTES) -> None:
        self._policy_log = policy_log
        self._step_bytes = step_bytes

    def lane(self, topic: str, partition: int) -> LaneLogic:  # noqa: ARG002  it reads one topic
        """Fresh logic for a partition."""
        return BurnLane(partition, self._policy_log, step_bytes=self._step_bytes)
