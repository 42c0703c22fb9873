"""How the stream workers run: `BURNLINE_STREAMS_*`; where Kafka is stands in `schemas/connection.py`."""

from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.connection import KafkaSettings
from schemas.errors import SettingsError

TRANSACTION_TIMEOUT_SEC = 15
"""A dead owner's open transaction holds `read_committed` readers back at most this long, if nobody takes its lane."""

FETCH_MAX_WAIT_MS = 100
"""How long the broker holds a fetch that finds nothing, where it does not ask for every partition: one that was left
out has to wait for it. Data is answered at once."""

IDLE_FETCH_WAIT_MS = 2_000
"""The same, where it asks for all there is: nobody has to wait for it."""

LANE_DEPTH = 3
"""Batches of one lane in memory at most: one in work, two waiting."""


class StreamsSettings(BaseSettings):
    """Sizes and times of a worker; the defaults are good for a laptop."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_STREAMS_", frozen=True)

    instance: str = Field("0", pattern=r"^[a-zA-Z0-9._-]{1,64}$", description="which of the stage's workers this is")
    fetch_max_bytes: int = Field(4 * 1_048_576, ge=65_536, description="of one partition in one fetch")
    batch_max_records: int = Field(20_000, ge=1, description="records of one batch, one transaction")
    duplicate_window_events: int = Field(
        250_000, ge=100, description="rating drops a copy of any of so many events; the sink finds what comes later"
    )
    session_timeout_sec: float = Field(15.0, ge=6, description="a silent worker loses its partitions after this long")
    tick_interval_sec: float = Field(1.0, gt=0, description="how often a lane with nothing to read says so")
    idle_tick_interval_sec: float = Field(
        3.0, gt=0, le=10, description="the same, once nothing has come to any lane of the worker for 10 s"
    )
    static_member: bool = Field(
        default=True,
        description="a restart within the session time-out keeps its partitions (SIGUSR1 instead of SIGTERM gives them "
        "up); false always gives them up at once",
    )
    stop_grace_sec: float = Field(
        25.0, gt=0, description="after SIGTERM the process ends at the latest this much later"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _session_outlives_ticks(self) -> "StreamsSettings":
        if self.tick_interval_sec > self.session_timeout_sec:
            raise ValueError("tick_interval_sec must not be longer than session_timeout_sec")
        return self


def read_settings(**overrides: str) -> StreamsSettings:
    """The settings of this process; `overrides` are what the command line says.

    Raises: SettingsError: a setting cannot be used; the message names it.
    """
    try:
        return StreamsSettings(**overrides)  # type: ignore[arg-type]  # pydantic reads the text
    except ValidationError as error:
        raise _translated(error, "BURNLINE_STREAMS_") from error


def read_kafka_settings() -> KafkaSettings:
    """Where Kafka is, from the environment.

    Raises: SettingsError: a setting cannot be used; the message names it.
    """
    try:
        return KafkaSettings()
    except ValidationError as error:
        raise _translated(error, "BURNLINE_KAFKA_") from error


def _translated(error: ValidationError, prefix: str) -> SettingsError:
    first = error.errors(include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    return SettingsError(f"{prefix}{name}: {first['msg']}")
