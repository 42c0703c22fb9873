"""Who asks Kafka how far each stage is, when it does not answer."""

import pytest

from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError


def test_after_no_answer_the_next_question_is_asked_by_new_consumers() -> None:
    """A consumer that fetches nothing any more is not asked again: its next question would find nothing either."""
    with Positions(KafkaSettings(bootstrap_servers="127.0.0.1:9"), timeout_sec=0.05) as positions:
        asked = positions._progress, positions._reader
        with pytest.raises(KafkaUnavailableError):
            positions.append_time_us(("internal.deltas", 0), 0)
        again = positions._progress, positions._reader
    assert not set(map(id, asked)) & set(map(id, again))
