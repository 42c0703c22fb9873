"""Every error that the client raises on purpose, as one tree.

EmitterError
|-- InvalidUsageError    the event breaks the contract: mend the call (it is a ValueError as well)
|-- QueueFullError       the local queue stayed full longer than `queue_wait_sec`: this event was not taken
|-- SpoolFullError       the spool on disk is full; `emit` never raises it, it goes on in memory
|-- UndeliveredError     events were taken and could not be delivered; `count` of them, `reason` of the first
|-- ClosedError          the emitter was closed before this call
|-- ForkedError          the emitter was made in another process: make one after the fork
`-- RunStoppedError      Burnline advises to stop this run, and this gateway does as it advises
"""


class EmitterError(Exception):
    """Any error that the client raises on purpose."""


class InvalidUsageError(EmitterError, ValueError):
    """An event that Burnline would refuse; the message names the field."""


class QueueFullError(EmitterError):
    """The event was not taken: the queue in memory stayed full for too long."""


class SpoolFullError(EmitterError):
    """The spool has no room within its bound for an event."""


class UndeliveredError(EmitterError):
    """Events that were taken and are not known to be delivered: `count` of them, and the `reason` of the first."""

    def __init__(self, count: int, reason: str) -> None:
        super().__init__(f"{count} usage events could not be delivered; the first one: {reason}")
        self.count = count
        self.reason = reason


class ClosedError(EmitterError):
    """The emitter was closed."""


class ForkedError(EmitterError):
    """The emitter belongs to the process that made it."""


class RunStoppedError(EmitterError):
    """A call of a run that Burnline advises to stop; the message says why. A gateway answers with 403."""

    status_code = 403
