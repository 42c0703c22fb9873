"""Connections to Kafka that fall silent for good, as librdkafka's were seen to; and a broker inside this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, Producer


class DeafConsumer(Consumer):  # type: ignore[misc]  # confluent-kafka has no types
    """One that hears nothing after three messages."""

    left = 3

    def poll(self, timeout: float) -> Any:
        """The next message, as long as it hears."""
        message = super().poll(timeout)
        if not self.left:
            return None
        self.left -= message is not None
        return message


def deaf_at_first(made: list[object], *, deaf: int) -> Callable[..., object]:
    """What makes consumers, of which the first ones fall silent; all stand in `made`."""

    def connect(*args: Any, **kwargs: Any) -> object:
        made.append((DeafConsumer if len(made) < deaf else Consumer)(*args, **kwargs))
        return made[-1]

    return connect


@contextmanager
def stub_broker(topic: str) -> Iterator[str]:
    """Bootstrap servers of a broker inside this process that has this topic."""
    host = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1, "log_level": 0})
    (found,) = host.list_topics(timeout=10).brokers.values()
    host.list_topics(topic, timeout=10)
    yield f"{found.host}:{found.port}"
    del host
