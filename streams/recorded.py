"""What is recorded about a stage's partitions, read before its lanes begin; what was lost is said."""

import structlog

from schemas.connection import KafkaSettings
from schemas.progress import Progress, latest_progress
from streams.attempts import Deaths
from streams.lane_start import LogNow, Start, choose_start
from streams.lane_tools import PROGRESS_TOPIC, LaneName, state_topic
from streams.patience import until_done
from streams.ports import PartitionReader
from streams.readers import LogEnds
from streams.topic_facts import TopicFacts

Place = tuple[str, int]
"""(topic without prefix, partition)"""
_LOG = structlog.get_logger()


class RecordedPositions:
    """Reads a stage's progress. Nobody may move it meanwhile: fence first."""

    def __init__(
        self, stage: str, kafka: KafkaSettings, *, ends: LogEnds, reader: PartitionReader, facts: TopicFacts
    ) -> None:
        self._stage = stage
        self._kafka = kafka
        self._ends = ends
        self._reader = reader
        self._facts = facts

    async def progress(self) -> dict[Place, Progress]:
        """The stage's newest progress on each partition of its sources."""
        records = await self._reader.read(PROGRESS_TOPIC, 0)
        newest = latest_progress([record.value for record in records if record.value is not None])
        return {(topic, partition): said for (stage, topic, partition), said in newest.items() if stage == self._stage}

    async def start(self, name: LaneName, progress: Progress | None) -> Start:
        """Where the lane begins. Lost records are said; waits while no broker answers.

        Raises: LogChangedError: progress belongs to another topic, or was lost.
        """
        topic, partition = name.topic, name.partition
        log = LogNow(
            begin=await until_done(lambda: self._ends.begin(topic, partition)),
            end=await until_done(lambda: self._ends.end(topic, partition)),
            topic_id=name.topic_id,
            state=self._kafka.topic(state_topic(self._stage, topic) or ""),
            state_id=name.state_id,
        )
        where = f"{self._kafka.topic(topic)}/{partition}"
        committed = None
        if progress is None:
            group = f"{self._kafka.group_prefix}{self._stage}"
            committed = await until_done(lambda: self._facts.committed(group, topic, partition))
        start = choose_start(where, progress, log, committed=committed)
        if start.lost_records:
            why = "retention took them before they were read"
            _LOG.error("lost_records", topic=topic, partition=partition, lost_records=start.lost_records, reason=why)
        return start


def deaths_at(start: Start, progress: Progress | None) -> Deaths:
    """How many processes died on what stands where a lane begins."""
    if progress is None or progress.next_offset != start.offset:
        return Deaths()
    return Deaths(progress.deaths, progress.tried_to, progress.alone)
