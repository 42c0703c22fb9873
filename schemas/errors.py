"""Every error that Burnline raises on purpose, as one tree; the type says what to do.

BurnlineError
|-- InvalidMessage         a verdict, not a fault: dead-letter the message with `reason`
|-- PolicyError            refuse the policy file; the message names the key and what is allowed
|-- InputError             refuse what the user gave (file, format, argument); the message says what to change
|-- SettingsError          stop; the message names the setting
|-- TryAgainError          wait and repeat the same step (broker or server unreachable, time-out)
|   |-- KafkaUnavailableError
|   `-- StoreUnavailableError
`-- FatalError             end the process; the supervisor starts it anew from what is committed
    |-- FencedError        another process owns this lane now
    |-- LogChangedError    a topic was deleted and created anew, or its partition count changed
    `-- CorruptStateError  what was read back cannot have been written by us
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is a dead letter. Stable: operators count and alert by these names."""

    TOO_LARGE = "too_large"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    NOT_AN_EVENT = "not_an_event"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    CONTROL_CHARACTER = "control_character"
    TOKENS_DISAGREE = "tokens_disagree"
    IN_THE_FUTURE = "in_the_future"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    EVENT_TIME_MOVED = "event_time_moved"
    COST_TOO_LARGE = "cost_too_large"
    POISON = "poison"


class BurnlineError(Exception):
    """Any error that Burnline raises on purpose."""


class InvalidMessage(BurnlineError):  # noqa: N818  a verdict on a message, not a fault of ours
    """A message that cannot be counted, and why; `path` names the field, empty when it is the whole message."""

    def __init__(self, reason: Reason, path: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.path = path
        self.message = message


class PolicyError(BurnlineError):
    """A policy file that is refused as a whole; the message names the key and says what is allowed."""


class InputError(BurnlineError):
    """A file, a format or an argument that cannot be used; the message says what to change."""


class SettingsError(BurnlineError):
    """A setting that cannot be used; the message names it."""


class TryAgainError(BurnlineError):
    """The same step may succeed later; nothing was lost."""


class KafkaUnavailableError(TryAgainError):
    """No broker answers."""


class StoreUnavailableError(TryAgainError):
    """ClickHouse does not answer, or the outcome of an insert is unknown."""


class FatalError(BurnlineError):
    """This process cannot go on; its successor starts from what is committed."""


class FencedError(FatalError):
    """Another process owns this lane now."""


class LogChangedError(FatalError):
    """A topic is not the one that the recorded positions belong to."""


class CorruptStateError(FatalError):
    """What was read back cannot have been written by us."""
