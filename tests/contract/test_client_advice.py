"""Advice when the connection brings no more of it, though the broker has some. The broker is a stub."""

import json
import threading
from pathlib import Path

import pytest
from confluent_kafka import Producer

from burnline_client import advice
from burnline_client.advice import AdviceBook, AdviceReader
from tests.deaf import deaf_at_first, stub_broker

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "burnline.advice.v1.json"
WORDS = 5


class CountingBook(AdviceBook):
    """A book that knows which words it was told, and when it has heard enough."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.enough = threading.Event()

    def take(self, raw: bytes) -> None:
        """The word is in the book."""
        super().take(raw)
        self.told.append(json.loads(raw)["id"])
        if len(self.told) >= WORDS:
            self.enough.set()


def test_a_gateway_hears_advice_again_after_its_connection_fell_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word comes once and in order, the later ones by another connection."""
    made: list[object] = []
    monkeypatch.setattr(advice, "Consumer", deaf_at_first(made, deaf=1))
    monkeypatch.setattr(advice, "_SILENT_SEC", 0.2)
    book, word = CountingBook(), json.loads(EXAMPLE.read_text())
    with stub_broker("control.advice") as broker:
        producer = Producer({"bootstrap.servers": broker, "log_level": 0})
        for number in range(WORDS):
            producer.produce("control.advice", json.dumps(word | {"id": str(number)}).encode(), partition=0)
        assert producer.flush(10) == 0
        reader = AdviceReader({"bootstrap_servers": broker, "topic": "usage.events", "config": {}}, book=book)
        assert book.enough.wait(30)
        reader.close()
    assert book.told == [str(number) for number in range(WORDS)]
