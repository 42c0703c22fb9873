"""Load for a stack: the simulator's events under new ids at the time of sending, at a rate; and probes among them."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from producers.sending import HEADERS, producer_config
from producers.simulator.day import simulate
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from schemas.keys import event_key
from schemas.signals import rfc3339

PROBES = "latency-probe"
"""The project of probes, and the id of their budget."""
_DAY_EVENTS = 4000
_SLICE_SEC = 0.01
_LINGER_MS = 5
_FLUSH_SEC = 60.0


@dataclass(frozen=True, slots=True)
class Template:
    """An event with three holes: its id goes before, its time into the middle."""

    key: bytes
    before: bytes
    middle: bytes
    after: bytes

    def filled(self, event_id: bytes, at: bytes) -> bytes:
        """The event."""
        return b"".join((self.before, event_id, self.middle, at, self.after))


@dataclass(frozen=True, slots=True)
class Company:
    """The simulator's company under another name: its events as templates, its budgets as a file."""

    org: str
    templates: tuple[Template, ...]
    budgets_toml: str


def company(org: str) -> Company:
    """A day's events, each once, without the day's times; with the budget of the probes."""
    day = simulate(end=datetime.now(UTC), events=_DAY_EVENTS)
    old, named = f'"{day.ledger["org"]}"', f'"{org}"'
    probes = (
        f'\n[[budget]]\nid = "{PROBES}"\norg = "{org}"\nscope = {{ project = "{PROBES}" }}\neach = "user"\n'
        "limit = 0.000001\nthresholds = [1]\nburn_alerts = false\n"
    )
    lines = [line.replace(old.encode(), named.encode()) for line in day.lines]
    return Company(org, tuple(map(_template, lines)), day.budgets_toml.replace(old, named) + probes)


def _template(line: bytes) -> Template:
    parts = re.fullmatch(rb'(.*?"id":")[^"]*(".*?"time":")[^"]*(".*)', line, re.DOTALL)
    data = msgspec.json.decode(line)["data"]
    key = event_key(org=data["org"], team=data.get("team"), credential=data.get("credential"))
    if parts is None:
        raise ValueError(f"an event of the simulator without id and time: {line[:80]!r}")
    return Template(key, *parts.groups())


def probe(org: str, name: str) -> tuple[bytes, bytes]:
    """Key and event of a probe: the only call of a user whose budget any call breaks."""
    data = {
        "org": org, "project": PROBES, "user": name, "credential": name, "team": "probes", "provider": "openai",
        "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 10, "operation": "chat", "status": "ok",
    }  # fmt: skip
    event = {
        "specversion": "1.0", "type": "burnline.usage.v1", "source": "bench/latency", "id": name,
        "time": rfc3339(datetime.now(UTC)), "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return name.encode(), msgspec.json.encode(event)


class Sending:
    """Sends at a rate; what a broker refuses ends it."""

    def __init__(self, kafka: KafkaSettings, load: Company, *, run: str) -> None:
        quiet = {"log_level": 0, "error_cb": lambda _error: None}  # a broker that stops is said by who stops it
        self._producer = Producer({**producer_config(kafka), **quiet, "linger.ms": _LINGER_MS})
        self._topic, self._load, self._run = kafka.topic("usage.events"), load, run
        self._number = 0
        self._refused: KafkaError | None = None

    def at_rate(self, per_sec: float, *, seconds: float, between: Callable[[], None]) -> float:
        """Events per second that were sent in so many seconds; `between` is called about each 10 ms.

        Raises: KafkaUnavailableError: an event was refused.
        """
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(per_sec * passed) + 1
            self._some(due - sent)
            sent = due
            between()
            time.sleep(_SLICE_SEC)
        return sent / (time.monotonic() - began)

    def burst(self, count: int) -> None:
        """So many events, as fast as they are taken. Raises: KafkaUnavailableError."""
        for first in range(0, count, 1000):
            self._some(min(1000, count - first))
        self.flush()

    def send(self, key: bytes, value: bytes) -> None:
        """One event, at once."""
        self._producer.produce(self._topic, value, key=key, headers=list(HEADERS), on_delivery=self._told)
        self._producer.poll(0)

    def flush(self) -> None:
        """All are acknowledged. Raises: KafkaUnavailableError: not in a minute, or one was refused."""
        if self._producer.flush(_FLUSH_SEC) or self._refused is not None:
            raise KafkaUnavailableError(f"the load was not taken: {self._refused or 'no answer'}")

    def drop(self) -> None:
        """What is not sent yet will not be."""
        self._producer.purge()

    def _some(self, count: int) -> None:
        at = rfc3339(datetime.now(UTC)).encode()
        for template in self._next(count):
            self._number += 1
            value = template.filled(f"{self._run}-{self._number}".encode(), at)
            while True:
                try:
                    self._producer.produce(
                        self._topic, value, key=template.key, headers=list(HEADERS), on_delivery=self._told
                    )
                    break
                except BufferError:
                    self._producer.poll(0.05)
        self._producer.poll(0)
        if self._refused is not None:
            raise KafkaUnavailableError(f"the load was not taken: {self._refused.str()}")

    def _next(self, count: int) -> Iterator[Template]:
        every = self._load.templates
        return (every[(self._number + more) % len(every)] for more in range(count))

    def _told(self, error: KafkaError | None, _message: Message) -> None:
        self._refused = self._refused or error
