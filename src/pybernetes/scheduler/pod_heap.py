"""A priority queue of queued Pods from which any one can be taken out.

An entry that was removed or replaced stays in the list until its turn comes and is then passed over.
Upstream: pkg/scheduler/backend/heap. Pure.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Heap(Generic[T]):
    """Items by key, the one with the smallest sort key first; equals in order of arrival."""

    def __init__(self, sort_key: Callable[[T], tuple[Any, ...]]) -> None:
        self._sort_key = sort_key
        self._order = itertools.count()
        self._entries: list[tuple[tuple[Any, ...], int, str]] = []
        self._items: dict[str, tuple[int, T]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[T]:
        return (item for _, item in self._items.values())

    def add(self, key: str, item: T) -> None:
        """Add, or put in the place that its present sort key gives it."""
        number = next(self._order)
        self._items[key] = (number, item)
        heapq.heappush(self._entries, (self._sort_key(item), number, key))
        if len(self._entries) > 2 * len(self._items) + 64:
            self._entries = [one for one in self._entries if self._live(one)]
            heapq.heapify(self._entries)

    def get(self, key: str) -> T | None:
        """One item, which stays."""
        found = self._items.get(key)
        return None if found is None else found[1]

    def remove(self, key: str) -> T | None:
        """Take one out."""
        found = self._items.pop(key, None)
        return None if found is None else found[1]

    def peek(self) -> T | None:
        """The first."""
        while self._entries:
            if self._live(self._entries[0]):
                return self._items[self._entries[0][2]][1]
            heapq.heappop(self._entries)
        return None

    def pop(self) -> T | None:
        """Take the first out."""
        if self.peek() is None:
            return None
        key = heapq.heappop(self._entries)[2]
        return self._items.pop(key)[1]

    def _live(self, entry: tuple[tuple[Any, ...], int, str]) -> bool:
        found = self._items.get(entry[2])
        return found is not None and found[0] == entry[1]
