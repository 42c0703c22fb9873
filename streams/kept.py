"""What a stage's state must be able to do so that checkpoints keep it, and where which state is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from streams.burn.clock import Clock
from streams.burn.table import Table

VERSION = 1


class Checkpointed(Protocol):
    """A state that is written so: tables in pages, and everything else as bytes that depend on nothing but it."""

    @property
    def clock(self) -> Clock:
        """The log's time."""
        ...

    @property
    def policy_offset(self) -> int:
        """Under which policies it stands; -1 before any."""
        ...

    def tables(self) -> Mapping[str, Table[Any]]:
        """The tables by name, in the order in which they are written."""
        ...

    def cross(self) -> bytes:
        """Everything but the tables."""
        ...

    def take_cross(self, raw: bytes) -> None:
        """Everything but the tables is what the bytes say. Raises: msgspec.MsgspecError: they say nothing."""
        ...


S = TypeVar("S", bound=Checkpointed)


@dataclass(frozen=True, slots=True)
class Kept(Generic[S]):
    """Where a stage keeps which state. `older`: columns that layouts of before do not have, which are read as zeros.

    layouts: names of layouts of before that can be read, whatever else they hold.
    """

    topic: str
    fresh: Callable[[], S]
    version: int = VERSION
    older: tuple[Mapping[str, frozenset[str]], ...] = ()
    layouts: frozenset[str] = frozenset()
