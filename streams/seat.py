"""A worker's seat in its group: who finds it taken ends, and who stops for good gives it up.

aiokafka, told that its member is not known any more, forgets who it was and joins again under the same instance name.
For a process that was stopped for longer than its session, that takes the seat away from the one in its place, which
does the same in turn: two workers for ever, each opening the other's lanes. Here the newest start has the seat:
1. A member that is not known any more closes its lanes and asks for its seat under its old member id.
2. "It is another's" ends the process, with its next heartbeat at the latest, whether its lanes have work or not.
3. "It is nobody's" (the broker was away for longer than the session) lets it join anew.
aiokafka does not leave the group for a static member at all; here it does, when the worker stops for good.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest

from schemas.errors import FatalError, FencedError

UNKNOWN_MEMBER_ID = 25
FENCED_INSTANCE_ID = 82
"""aiokafka does not know it. Source: https://kafka.apache.org/protocol#protocol_error_codes (2026-11)."""


class Seat:
    """Stands between aiokafka's group coordinator of a started consumer and the broker."""

    def __init__(self, coordinator: Any, *, fail: Callable[[FatalError], None]) -> None:  # noqa: ANN401  aiokafka has no types
        self._coordinator = coordinator
        self._fail = fail
        self._send = coordinator._send_req  # noqa: SLF001  aiokafka has no door for it
        self._push = coordinator._push_error_to_user  # noqa: SLF001  aiokafka has no door for it
        self._leave = coordinator._maybe_leave_group  # noqa: SLF001  aiokafka has no door for it
        self._reset = coordinator.reset_generation
        self._for_good = False
        self._free = False
        coordinator._send_req = self.send  # noqa: SLF001  aiokafka has no door for it
        coordinator._push_error_to_user = self.refuse  # noqa: SLF001  aiokafka has no door for it
        coordinator.reset_generation = self.reset
        coordinator._maybe_leave_group = self.leave  # noqa: SLF001  aiokafka has no door for it

    async def send(self, request: Any) -> Any:  # noqa: ANN401  aiokafka has no types
        """The broker's answer. If it says that the seat is another's, the process ends."""
        answer = await self._send(request)
        code = getattr(answer, "error_code", 0)
        self._free = code == UNKNOWN_MEMBER_ID and isinstance(request, JoinGroupRequest)
        if code == FENCED_INSTANCE_ID:
            name, group = self._coordinator._group_instance_id, self._coordinator.group_id  # noqa: SLF001  aiokafka has no door for it
            self._fail(FencedError(f"another process has the seat {name} in group {group}"))
        return answer

    def reset(self) -> None:
        """The group is joined again; under the old member id, unless the broker has said that the seat is free."""
        if self._free or self._coordinator._group_instance_id is None:  # noqa: SLF001  aiokafka has no door for it
            self._reset()
        else:
            self._coordinator.generation = -1
            self._coordinator.request_rejoin()

    def refuse(self, error: KafkaError) -> Any:  # noqa: ANN401  aiokafka has no types
        """The process ends: aiokafka would wait until somebody asks it for the error, and nobody does."""
        self._fail(FatalError(f"group {self._coordinator.group_id} does not take us: {error!r}"))
        return self._push(error)

    def give_up(self) -> None:
        """When the consumer stops, the seat is free and its partitions move at once. May be called from any thread.

        Where the broker does not answer then, they move when the session ends.
        """
        self._for_good = True

    async def leave(self) -> None:
        """The group is left, if this is for good or the member has no seat of its own."""
        if self._for_good:
            self._coordinator._group_instance_id = None  # noqa: SLF001  aiokafka has no door for it
        await self._leave()
