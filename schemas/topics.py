"""Every topic, once: name, partitions, configuration, who writes and reads it. Nothing is ever created by accident.

Partition counts are fixed for life: keys, lanes and positions depend on them.
"""

from dataclasses import dataclass, field

PARTITIONS = 4
_DAY_MS = 86_400_000
_MIB = 1_048_576


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic as an administrator has to create it; `name` is without the prefix of the settings."""

    name: str
    partitions: int
    doc: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    retention_ms: int = 7 * _DAY_MS
    compacted: bool = False
    max_message_bytes: int = _MIB
    public: bool = True
    extra: dict[str, str] = field(default_factory=dict)

    def config(self) -> dict[str, str]:
        """The topic configuration that Burnline relies on."""
        return {
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": "compact" if self.compacted else "delete",
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": "-1" if self.compacted else str(self.retention_ms),
            **self.extra,
        }


_WRITERS = {
    "budgets": ("burn", "rating"),
    "anomalies": ("burn", "patterns"),
    "governance": ("burn", "notifier", "patterns"),
    "value": ("sink",),
}
"""Who writes alerts beside burn: rating of contracts, the notifier of heartbeats that stay away, patterns of events.

The sink alone knows what spending bought."""
TOPICS: tuple[Topic, ...] = (
    Topic(
        name="usage.events",
        partitions=PARTITIONS,
        doc="usage events as CloudEvents, keyed by credential, else team, else org",
        writers=("emitters", "notifier"),  # the notifier sends heartbeats
        readers=("rating",),
        max_message_bytes=_MIB + 4096,
    ),
    Topic(
        name="usage.dead_letters",
        partitions=1,
        doc="what could not be counted: the reason and the original bytes",
        writers=("rating", "sink"),
        readers=("sink", "operators"),
        retention_ms=30 * _DAY_MS,
        max_message_bytes=4 * _MIB,
    ),
    Topic(
        name="usage.outcomes",
        partitions=PARTITIONS,
        doc="what usage led to, as CloudEvents keyed by org",
        writers=("emitters",),
        readers=("sink",),
    ),
    Topic(
        name="usage.charges",
        partitions=PARTITIONS,
        doc="costs that no event carries: seats, commitments, corrections of an invoice",
        writers=("emitters", "rating"),  # rating sends on what came to another partition than its org's
        readers=("rating", "sink"),
    ),
    Topic(
        name="usage.policies",
        partitions=1,
        doc="budgets, rules, prices, directory: one message per change, append-only",
        writers=("operators",),
        readers=("rating", "burn", "patterns", "sink", "notifier", "operators"),
        retention_ms=-1,
        max_message_bytes=8 * _MIB,  # one change may hold ten thousand budgets
    ),
    Topic(
        name="usage.adjustments",
        partitions=PARTITIONS,
        doc="signed rows that only the ledger can know",
        writers=("sink",),
        readers=("rating",),
        retention_ms=30 * _DAY_MS,
        max_message_bytes=16 * _MIB,
    ),
    Topic(
        name="usage.rates",
        partitions=PARTITIONS,
        doc="changed burn rates and budget states, keyed by org",
        writers=("burn",),
        readers=("sink", "operators", "subscribers"),
        retention_ms=_DAY_MS,
        max_message_bytes=4 * _MIB,
    ),
    *(
        Topic(
            name=f"alerts.{name}",
            partitions=1,
            doc=doc,
            writers=_WRITERS[name],
            readers=("sink", "notifier", "operators", "subscribers"),
            retention_ms=90 * _DAY_MS,
        )
        for name, doc in (
            ("budgets", "budget thresholds, budgets that burn too fast, contracts that end soon"),
            ("anomalies", "spending that is not normal for who spends it"),
            ("governance", "shared keys, uncapped or ownerless spend"),
            ("value", "spending that bought nothing"),
        )
    ),
    Topic(
        name="control.advice",
        partitions=1,
        doc="what gateways and agents may want to do about it; advice, never a block",
        writers=("patterns", "sink"),  # of runs, of use cases
        readers=("sink", "operators", "gateways", "subscribers"),
        retention_ms=_DAY_MS,
    ),
    Topic(
        name="internal.rated",
        partitions=PARTITIONS,
        doc="priced events in Arrow batches, one partition per source partition",
        writers=("rating",),
        readers=("sink",),
        max_message_bytes=16 * _MIB,
        public=False,
    ),
    Topic(
        name="internal.deltas",
        partitions=PARTITIONS,
        doc="sums per entity, budget member and 10 s bucket; keyed by org",
        writers=("rating",),
        readers=("burn",),
        max_message_bytes=16 * _MIB,
        public=False,
    ),
    Topic(
        name="internal.steps",
        partitions=PARTITIONS,
        doc="slim rows of single events for pattern rules; keyed by org",
        writers=("rating",),
        readers=("patterns",),
        max_message_bytes=16 * _MIB,
        public=False,
    ),
    Topic(
        name="internal.seen",
        partitions=PARTITIONS,
        doc="identities that rating counted: the window against duplicates",
        writers=("rating",),
        readers=("rating",),
        max_message_bytes=16 * _MIB,
        public=False,
    ),
    Topic(
        name="internal.charges",
        partitions=PARTITIONS,
        doc="charges as they stand, and up to when they are debited; one partition per source partition",
        writers=("rating",),
        readers=("rating", "sink"),
        compacted=True,
        public=False,
        extra={"min.compaction.lag.ms": "60000", "segment.ms": "3600000"},
    ),
    Topic(
        name="internal.checkpoints",
        partitions=PARTITIONS,
        doc="burn's state in pages, one round after the other",
        writers=("burn",),
        readers=("burn",),
        retention_ms=-1,  # a month's budgets outlive a stop of any length; bytes bound it instead
        max_message_bytes=4 * _MIB,
        public=False,
        extra={"retention.bytes": str(2048 * _MIB), "segment.bytes": str(128 * _MIB)},
    ),
    Topic(
        name="internal.patterns",
        partitions=PARTITIONS,
        doc="what patterns remembers of runs and keys, one round after the other",
        writers=("patterns",),
        readers=("patterns",),
        retention_ms=-1,  # as burn's checkpoints
        max_message_bytes=4 * _MIB,
        public=False,
        extra={"retention.bytes": str(1024 * _MIB), "segment.bytes": str(64 * _MIB)},
    ),
    Topic(
        name="internal.progress",
        partitions=1,
        doc="how far each stage is with each partition",
        writers=("rating", "burn", "patterns", "sink", "notifier"),
        readers=("rating", "burn", "patterns", "sink", "notifier", "operators"),
        compacted=True,
        public=False,
        extra={"min.compaction.lag.ms": "60000", "segment.ms": "600000"},
    ),
    Topic(
        name="internal.groups",
        partitions=1,
        doc="the groups of messages that the sink inserts, recorded before each insert",
        writers=("sink",),
        readers=("sink",),
        public=False,
    ),
    Topic(
        name="internal.requests",
        partitions=1,
        doc="what operators ask of the sink: to reconcile some days",
        writers=("operators",),
        readers=("sink",),
        public=False,
    ),
    Topic(
        name="internal.heartbeats",
        partitions=1,
        doc="heartbeats that went the way of an event, through every lane",
        writers=("burn",),
        readers=("sink", "notifier", "operators"),
        public=False,
    ),
    Topic(
        name="internal.deliveries",
        partitions=1,
        doc="how each alert stands with each route, and what operators ask to be delivered again",
        writers=("notifier", "operators"),
        readers=("sink", "notifier"),
        retention_ms=90 * _DAY_MS,  # as alerts
        public=False,
    ),
)
BY_NAME = {topic.name: topic for topic in TOPICS}
