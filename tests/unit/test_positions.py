"""Who asks Kafka how far each stage is, when it does not answer."""

import pytest

from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError


@pytest.mark.parametrize("question", ["append_time_us", "progress"])
def test_after_no_answer_the_next_question_is_asked_by_new_clients(question: str) -> None:
    """A client that gets nothing any more is not asked again: its next question would find nothing either."""
    with Positions(KafkaSettings(bootstrap_servers="127.0.0.1:9"), timeout_sec=0.05) as positions:
        asked = positions._admin, positions._progress, positions._reader
        with pytest.raises(KafkaUnavailableError):
            getattr(positions, question)(*((("internal.deltas", 0), 0) if question == "append_time_us" else ()))
        again = positions._admin, positions._progress, positions._reader
    assert not set(map(id, asked)) & set(map(id, again))
