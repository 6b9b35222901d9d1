"""Numbers of a range, each given to one holder at a time: the arithmetic behind cluster IPs and node ports.

Pure. The lower part of a range is left to those who ask for a certain number; others get one of the upper part while
there is any.
Upstream: pkg/registry/core/service/allocator, ipallocator (calculateRangeOffset).
"""

import random


class Taken(Exception):
    """Somebody has that number."""


class OutOfRange(Exception):
    """The number is not one of the range."""


class Full(Exception):
    """No number is left."""


class Range:
    """The numbers `first` to `last`; `reserved` of them at the start are given only to those who ask for them."""

    def __init__(self, first: int, last: int, reserved: int, rng: random.Random) -> None:
        self.first = first
        self.last = last
        self._reserved = reserved
        self._rng = rng
        self._used: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def __len__(self) -> int:
        return len(self._used)

    def is_used(self, number: int) -> bool:
        """Whether somebody has it."""
        return number in self._used

    def take(self, number: int) -> None:
        """Give out that very number. Raises OutOfRange, Taken."""
        if number not in self:
            raise OutOfRange
        if number in self._used:
            raise Taken
        self._used.add(number)

    def hold(self, number: int) -> None:
        """The number is in use, whatever we knew; outside the range it does not matter."""
        if number in self:
            self._used.add(number)

    def next(self) -> int:
        """Give out any free number, of the upper part if possible. Raises Full."""
        for low, high in ((self.first + self._reserved, self.last), (self.first, self.first + self._reserved - 1)):
            if low > high:
                continue
            size = high - low + 1
            start = self._rng.randrange(size)
            for step in range(size):
                number = low + (start + step) % size
                if number not in self._used:
                    self._used.add(number)
                    return number
        raise Full

    def release(self, number: int) -> None:
        """Nobody has it any longer."""
        self._used.discard(number)


def reserved_part(size: int, *, minimum: int = 16, step: int = 16, maximum: int = 256) -> int:
    """How many numbers at the start are kept for those who ask: one in `step`, within bounds."""
    return 0 if size <= minimum else min(max(minimum, size // step), maximum)
