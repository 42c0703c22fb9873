"""What is remembered by organisation and name, so many in all; whoever makes names up pushes out nobody else's.

Laws
1. An organisation that holds no more than its share (`most` by how many organisations there are) loses nothing.
2. Within an organisation the one that was not heard of for the longest is forgotten first.
3. Equal words in equal order lead to equal memory, also through `items()` and back.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import TypeVar

K = TypeVar("K", bound=tuple[str, ...])
V = TypeVar("V")


class Remembered(MutableMapping[K, V]):
    """Keys name their organisation at `org_at`. Only `touched` forgets anything."""

    def __init__(self, items: Iterable[tuple[K, V]] = (), *, most: int, org_at: int = 0) -> None:
        self._most, self._org_at = most, org_at
        self._by_org: dict[str, dict[K, V]] = {}
        self._count = 0
        for key, value in items:
            self[key] = value

    def touched(self, key: K, fresh: Callable[[], V]) -> V:
        """What is remembered of the key, which is now its organisation's newest."""
        mine = self._by_org.setdefault(key[self._org_at], {})
        one = mine.pop(key, None)
        if one is not None:
            mine[key] = one
            return one
        mine[key] = one = fresh()
        self._count += 1
        if self._count > self._most:
            share = self._most // len(self._by_org)
            loser = mine if len(mine) > share else max(self._by_org.values(), key=len)
            del self[next(iter(loser))]
        return one

    def __getitem__(self, key: K) -> V:
        """What is remembered. Raises: KeyError: nothing is."""
        return self._by_org[key[self._org_at]][key]

    def __setitem__(self, key: K, value: V) -> None:
        """It is remembered."""
        mine = self._by_org.setdefault(key[self._org_at], {})
        self._count += key not in mine
        mine[key] = value

    def __delitem__(self, key: K) -> None:
        """It is forgotten. Raises: KeyError: it was."""
        mine = self._by_org[key[self._org_at]]
        del mine[key]
        self._count -= 1
        if not mine:
            del self._by_org[key[self._org_at]]

    def __iter__(self) -> Iterator[K]:
        """The keys, by organisation, each one's oldest first."""
        for mine in self._by_org.values():
            yield from mine

    def __len__(self) -> int:
        """How many there are in all."""
        return self._count
