"""Tells Burnline what a call of a model took; runs in other people's processes and needs none of Burnline's rooms."""

from burnline_client.context import task
from burnline_client.credentials import Pepper, read_pepper
from burnline_client.emitter import UsageEmitter
from burnline_client.emitter_stats import EmitterStats
from burnline_client.environment import kafka_from_environment
from burnline_client.errors import (
    ClosedError,
    EmitterError,
    ForkedError,
    InvalidUsageError,
    QueueFullError,
    UndeliveredError,
)
from burnline_client.fields import UsageFields
from burnline_client.watching import flush, watch

__all__ = [
    "ClosedError",
    "EmitterError",
    "EmitterStats",
    "ForkedError",
    "InvalidUsageError",
    "Pepper",
    "QueueFullError",
    "UndeliveredError",
    "UsageEmitter",
    "UsageFields",
    "flush",
    "kafka_from_environment",
    "read_pepper",
    "task",
    "watch",
]
