"""The emitter of a run: sends operations at a rate, in a thread, and keeps what became of each."""

import json
import logging
import threading
import time
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from confluent_kafka import Producer

from schemas.connection import ONE_IN_FLIGHT, KafkaSettings
from schemas.errors import FatalError
from tests.faults.ledger import Outcome
from tests.faults.papers import EVERY, Paper, Papers
from tests.faults.traffic import Op, Traffic

OP_HEADER = "faults-op"
_STEP_SEC = 0.02
_SILENT = logging.getLogger("tests.faults.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
_CARELESS_SHARE = 0.1


class Emitter:
    """Sends until `stop`; a tenth of the records through a producer that may repeat and reorder when it retries."""

    def __init__(self, kafka: KafkaSettings, traffic: Traffic, *, rate_per_sec: float) -> None:
        self.ops: list[Op] = []
        self.outcomes: dict[int, Outcome] = {}
        self.papers: list[Paper] = []
        self._kafka = kafka
        self._topic = kafka.topic("usage.events")
        self._papers = Papers(traffic.seed)
        self._traffic = traffic
        self._rate_per_sec = rate_per_sec
        self._dice = Random(f"emitter-{traffic.seed}")  # noqa: S311  a seeded test
        base = {
            **kafka.to_confluent(),
            "partitioner": "murmur2_random",
            "acks": "all",
            "linger.ms": 5,
            "message.timeout.ms": 0,
            "message.max.bytes": 1_052_672,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
            "error_cb": lambda _error: None,
        }
        careful = Producer(
            {**base, **ONE_IN_FLIGHT, "enable.idempotence": True, "compression.type": "lz4"}, logger=_SILENT
        )
        careless = Producer({**base, "max.in.flight.requests.per.connection": 5}, logger=_SILENT)
        self._producers = (careful, careless)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emitter")

    def start(self) -> None:
        """It sends."""
        self._thread.start()

    def stop(self, *, flush_sec: float) -> int:
        """Nothing is sent any more; how many operations nobody knows the outcome of.

        Raises: FatalError: the thread had died of an error.
        """
        died = not self._thread.is_alive()
        self._stop.set()
        self._thread.join()
        for producer in self._producers:
            producer.flush(flush_sec)
        if died:
            raise FatalError("the emitter died before its time")
        return len(self.ops) - len(self.outcomes)

    def _run(self) -> None:
        began_sec = time.monotonic()
        while not self._stop.wait(_STEP_SEC):
            due = int((time.monotonic() - began_sec) * self._rate_per_sec)
            while len(self.ops) < due:
                self._send(self._traffic.next(time.time_ns() // 1000))
                if not len(self.ops) % EVERY:
                    self._send_paper(self._papers.next(time.time_ns() // 1000))
            for producer in self._producers:
                producer.poll(0)

    def _send(self, op: Op) -> None:
        self.ops.append(op)

        def settled(error: Any, message: Any) -> None:
            if error is None:
                self.outcomes[op.number] = Outcome(place=(message.partition(), message.offset()))
            else:
                self.outcomes[op.number] = Outcome(error=str(error))

        producer = self._producers[self._careless(op)]
        headers = [(OP_HEADER, str(op.number).encode())]
        while True:
            try:
                producer.produce(self._topic, op.value, op.key, headers=headers, on_delivery=settled)
            except BufferError:
                producer.poll(0.1)
            else:
                return

    def _send_paper(self, paper: Paper) -> None:
        """By the careful producer alone: what speaks of an earlier one comes behind it."""
        self.papers.append(paper)
        while True:
            try:
                self._producers[0].produce(self._kafka.topic(paper.topic), paper.as_bytes(), paper.org.encode())
            except BufferError:
                self._producers[0].poll(0.1)
            else:
                return

    def _careless(self, op: Op) -> bool:
        """What speaks of an earlier event goes the way which that went, so that it comes soon after it; copies any."""
        if op.event is None or op.kind in {"copy", "spelled otherwise"}:
            return self._dice.random() < _CARELESS_SHARE
        return crc32(op.event.id.encode()) < _CARELESS_SHARE * 2**32

    def write(self, path: Path) -> None:
        """Every operation and its outcome are in a file, one JSON line each."""
        with path.open("w") as lines:
            for op in self.ops:
                outcome = self.outcomes.get(op.number)
                said = "unknown" if outcome is None else outcome.error or "ok"
                place = outcome.place if outcome is not None else None
                line = {"op": op.number, "kind": op.kind, "id": op.event.id if op.event else None, "place": place}
                lines.write(json.dumps({**line, "outcome": said}) + "\n")
