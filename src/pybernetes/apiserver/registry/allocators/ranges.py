"""In which order the numbers of a range are tried: the arithmetic behind cluster IPs and node ports.

Pure. The lower part of a range is left to those who ask for a certain number; others get one of the upper part while
there is any.
Upstream: pkg/registry/core/service/allocator, ipallocator (calculateRangeOffset).
"""

import random
from collections.abc import Iterator


class Taken(Exception):
    """Somebody has that number."""


class OutOfRange(Exception):
    """The number is not one of the range."""


class Full(Exception):
    """No number is left."""


def candidates(first: int, last: int, reserved: int, rng: random.Random) -> Iterator[int]:
    """Every number once: from a random one on those of the upper part, then the `reserved` ones at the start."""
    for low, high in ((first + reserved, last), (first, first + reserved - 1)):
        if low <= high:
            size = high - low + 1
            start = rng.randrange(size)
            yield from (low + (start + step) % size for step in range(size))


def reserved_part(size: int, *, minimum: int = 16, step: int = 16, maximum: int = 256) -> int:
    """How many numbers at the start are kept for those who ask: one in `step`, within bounds."""
    return 0 if size <= minimum else min(max(minimum, size // step), maximum)
