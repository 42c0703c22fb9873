"""A stream worker: a Faust app with our transport, one agent that hands batches to lanes, and nothing else.

No web server, no tables, no stores, no topic creation, no producer of Faust's own, no files. Faust joins the group,
fetches and delivers; lanes conclude and commit.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy
from faust.transport.drivers import TRANSPORTS

from schemas.connection import KafkaSettings
from schemas.errors import FatalError
from schemas.numbers_page import serve_numbers
from schemas.topics import BY_NAME, TOPICS
from streams.ending import Stop, end_process
from streams.lane_pace import Pace
from streams.lane_tools import PROGRESS_TOPIC, LaneTools
from streams.lanes import Lanes
from streams.log import configure_logging
from streams.numbers import families
from streams.patience import until_done
from streams.policy_log import TOPIC as POLICIES_TOPIC
from streams.policy_log import KafkaPolicyLog
from streams.ports import PolicyLog, StageLogic
from streams.readers import KafkaReader, LogEnds
from streams.settings import FETCH_MAX_WAIT_MS, LANE_DEPTH, StreamsSettings, read_kafka_settings, read_settings
from streams.topic_facts import TopicFacts
from streams.transport import BatchSchema, LaneKeeper
from streams.watch import KnownTopics, watch_consumer, watch_topics

MakeStage = Callable[[PolicyLog], StageLogic]
SCHEME = "burnline"
_GC_ALLOCATIONS = 50_000
"""Records are many and hold no cycles: looking for cycles at each 700 objects costs a seventh of the CPU."""
_LOG = structlog.get_logger()


class Boot(BootStrategy):  # type: ignore[misc]  # Faust is read without types
    """Starts the consumer, the agent and the conductor; no producer, no web server, no sensors."""

    enable_web = False
    enable_kafka_producer = False


class StreamApp(faust.App):  # type: ignore[misc]  # Faust is read without types
    """A Faust app that carries what its transport needs."""

    BootStrategy = Boot
    lanes: LaneKeeper
    consumer_arguments: Mapping[str, Any]

    def _create_directories(self) -> None:
        """Nothing: a worker keeps nothing on disk."""


def consumer_arguments(*, group: str, kafka: KafkaSettings, settings: StreamsSettings) -> dict[str, Any]:
    """How the transport's consumer is made: connection, group, membership, sizes, times."""
    session_ms = int(settings.session_timeout_sec * 1000)
    return {
        **kafka.to_aiokafka(),
        "client_id": f"{group}-{settings.instance}",
        "group_id": group,
        "group_instance_id": f"{group}-{settings.instance}" if settings.static_member else None,
        "session_timeout_ms": session_ms,
        "heartbeat_interval_ms": min(3000, session_ms // 4),
        "rebalance_timeout_ms": 60_000,
        "max_poll_records": settings.batch_max_records,
        "max_partition_fetch_bytes": settings.fetch_max_bytes,
        "fetch_max_wait_ms": FETCH_MAX_WAIT_MS,
    }


def make_app(*, group: str, source_topics: Sequence[str], kafka: KafkaSettings, settings: StreamsSettings) -> StreamApp:
    """The Faust app of a stage, with its agent; `lanes` is still to be set. `source_topics` without prefix."""
    TRANSPORTS.aliases[SCHEME] = "streams.transport:Transport"
    app = StreamApp(
        group,
        broker=[f"{SCHEME}://{server}" for server in kafka.to_aiokafka()["bootstrap_servers"]],
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        # Lanes bound what is in memory; this is only never to be the first to be full.
        stream_buffer_maxsize=2 * LANE_DEPTH * sum(BY_NAME[topic].partitions for topic in source_topics),
        autodiscover=False,
        worker_redirect_stdouts=False,
    )
    app.consumer_arguments = consumer_arguments(group=group, kafka=kafka, settings=settings)

    sources = app.topic(*map(kafka.topic, source_topics), schema=BatchSchema(), acks=False)

    @app.agent(sources, name="lanes")  # type: ignore[untyped-decorator]  # Faust is read without types
    async def to_lanes(batches: Any) -> None:  # noqa: ANN401  a Faust stream
        async for event in batches.events():
            app.lanes.deliver(event.message.value)

    return app


def needed_topics(stage: str, source_topics: Sequence[str]) -> Sequence[str]:
    """The topics that a stage reads or writes, without prefix."""
    named = {topic.name for topic in TOPICS if stage in topic.writers or stage in topic.readers}
    return sorted(named | {*source_topics, PROGRESS_TOPIC, POLICIES_TOPIC})


async def serve(make_stage: MakeStage, *, kafka: KafkaSettings, settings: StreamsSettings) -> None:
    """Runs a stage until it is told to stop, then ends with the batch in hand committed. Waits while Kafka is away.

    After SIGTERM or SIGINT the group keeps this worker's partitions for it, for the session time-out: for a restart.
    After SIGUSR1 they move to the other workers at once: for a worker that does not come back.
    """
    stop = Stop()
    for number, for_good in ((signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGUSR1, True)):
        tell = partial(stop.tell, for_good=for_good, grace_sec=settings.stop_grace_sec)
        asyncio.get_running_loop().add_signal_handler(number, tell)
    ends = LogEnds(kafka)
    policy_log = KafkaPolicyLog(kafka, ends)
    running = asyncio.create_task(_run(make_stage, kafka, settings, ends, policy_log, stop))
    stopping = asyncio.create_task(stop.told.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not stop.told.is_set():
        running.result()
        raise FatalError("the Faust app stopped by itself")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await policy_log.stop()
    await ends.stop()
    _LOG.info("stopped")


async def _run(  # noqa: PLR0913, PLR0917  called in one place
    make_stage: MakeStage,
    kafka: KafkaSettings,
    settings: StreamsSettings,
    ends: LogEnds,
    policy_log: KafkaPolicyLog,
    stop: Stop,
) -> None:
    stage = make_stage(policy_log)
    facts = TopicFacts(kafka)
    needed = needed_topics(stage.name, stage.source_topics)
    topics = KnownTopics(await until_done(lambda: facts.require(needed)))
    await until_done(ends.start)
    await until_done(policy_log.start)
    policy_log.on_error(end_process)
    group = f"{kafka.group_prefix}{stage.name}"
    app = make_app(group=group, source_topics=stage.source_topics, kafka=kafka, settings=settings)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="step") as thread:
        tools = LaneTools(
            kafka=kafka,
            policy_log=policy_log,
            ends=ends,
            thread=thread,
            pace=Pace(
                tick_sec=settings.tick_interval_sec,
                idle_tick_sec=settings.idle_tick_interval_sec,
                now_sec=asyncio.get_running_loop().time(),
            ),
        )
        lanes = Lanes(
            stage=stage,
            tools=tools,
            ends=ends,
            reader=KafkaReader(kafka, ends),
            facts=facts,
            consumer=lambda: app.consumer,
            fail=end_process,
        )
        app.lanes = lanes
        policy_log.on_change(lanes.heard)
        _LOG.info("starts", group=group, policy_offset=policy_log.latest()[0])
        watches = [asyncio.create_task(watch_topics(lambda: facts.require(needed), topics, fail=end_process))]
        try:
            await app.start()
            ask_broker = partial(ends.end, stage.source_topics[0], 0)
            signs = app.consumer.vital_signs
            watches.append(asyncio.create_task(watch_consumer(signs, ask_broker, fail=end_process)))
            await app.wait_until_stopped()
        except KafkaError as error:
            raise FatalError(f"the consumer cannot start: {error!r}") from error
        finally:
            for watch in watches:
                watch.cancel()
            await lanes.close()
            if stop.for_good:
                app.consumer.give_up_seat()
            await app.stop()
        if app.crash_reason is not None:
            raise FatalError(f"the consumer stopped: {app.crash_reason!r}") from app.crash_reason


def run_stage(make_stage: MakeStage, *, name: str, instance: str | None = None) -> NoReturn:
    """The process is this stage's worker until it is told to stop; then it exits with 0, after an error with 1."""
    configure_logging(stage=name, instance=instance or "", level="info")
    try:
        serve_numbers(families)
        settings = read_settings(**({} if instance is None else {"instance": instance}))
        gc.freeze()
        gc.set_threshold(_GC_ALLOCATIONS, 20, 100)
        configure_logging(stage=name, instance=settings.instance, level=settings.log_level)
        asyncio.run(serve(make_stage, kafka=read_kafka_settings(), settings=settings))
    except Exception as error:  # noqa: BLE001  the process's main
        end_process(error)
    sys.exit(0)
