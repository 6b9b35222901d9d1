"""What a controller has asked for and not yet seen: it does not act again on a cache that is behind its own writes.

    satisfied  <-- none set, or all seen, or older than five minutes (an event may have been lost)

Deletions are known by uid, so that one deletion seen twice counts once.

Upstream: pkg/controller/controller_utils.go (ControllerExpectations, UIDTrackingControllerExpectations).
"""

import dataclasses
from collections.abc import Iterable

from pybernetes.aio import clock as clocks

TIMEOUT = 300.0
_MORE = 0.001
"""They end after the timeout, not with it."""


@dataclasses.dataclass(slots=True)
class Expectation:
    """What is still outstanding for one key."""

    creations: int
    deletions: int
    since: float
    uids: set[str]

    @property
    def fulfilled(self) -> bool:
        """Everything was seen."""
        return self.creations <= 0 and self.deletions <= 0


class ControllerExpectations:
    """Expectations of one controller, by key of the owner."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._by_key: dict[str, Expectation] = {}

    def get(self, key: str) -> Expectation | None:
        """What is outstanding for the key, if anything was ever expected."""
        return self._by_key.get(key)

    def satisfied(self, key: str) -> bool:
        """Whether the controller may act on what its cache shows."""
        return self.remaining(key) is None

    def remaining(self, key: str) -> float | None:
        """Seconds until the controller may act whatever it has seen; None: it may now."""
        expectation = self._by_key.get(key)
        if expectation is None or expectation.fulfilled:
            return None
        left = expectation.since + TIMEOUT - self._clock.monotonic()
        return left + _MORE if left >= 0 else None

    def expect_creations(self, key: str, count: int) -> None:
        """So many creations are about to be sent; replaces what was expected before."""
        self._set(key, count, 0, ())

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        """These objects are about to be deleted; replaces what was expected before."""
        known = tuple(uids)
        self._set(key, 0, len(known), known)

    def expect(self, key: str, creations: int, uids: Iterable[str]) -> None:
        """Both at once (a DaemonSet creates and deletes in one sync)."""
        known = tuple(uids)
        self._set(key, creations, len(known), known)

    def _set(self, key: str, creations: int, deletions: int, uids: tuple[str, ...]) -> None:
        self._by_key[key] = Expectation(creations, deletions, self._clock.monotonic(), set(uids))

    def creation_observed(self, key: str) -> None:
        """A creation was seen, or has failed and will never be."""
        if (expectation := self._by_key.get(key)) is not None:
            expectation.creations -= 1

    def deletion_observed(self, key: str, uid: str) -> None:
        """A deletion was seen, or has failed and will never be."""
        expectation = self._by_key.get(key)
        if expectation is not None and uid in expectation.uids:
            expectation.uids.discard(uid)
            expectation.deletions -= 1

    def lower(self, key: str, creations: int, deletions: int = 0) -> None:
        """So many of the announced writes were not even tried."""
        if (expectation := self._by_key.get(key)) is not None:
            expectation.creations -= creations
            expectation.deletions -= deletions

    def delete(self, key: str) -> None:
        """The owner is gone."""
        self._by_key.pop(key, None)
