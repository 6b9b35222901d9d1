"""What the controller has written and its cache has not shown yet: slices are not judged by an older state of theirs.

Upstream: k8s.io/endpointslice/util/endpointslice_tracker.go.
"""

from collections.abc import Iterable

from pybernetes.aio import clock as clocks
from pybernetes.api.types import discovery

PATIENCE = 10.0
"""Seconds after which an event that never came is no longer waited for."""


class EndpointSliceTracker:
    """By Service key: the resourceVersion last written per slice, None for a slice that was deleted."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._written: dict[str, dict[str, int | None]] = {}
        self._since: dict[str, float] = {}

    def wrote(self, key: str, one: discovery.EndpointSlice) -> None:
        """A slice was created or updated."""
        self._remember(key, one.metadata.name, int(one.metadata.resourceVersion))

    def deleted(self, key: str, name: str) -> None:
        """A slice was deleted by us."""
        self._remember(key, name, None)

    def _remember(self, key: str, name: str, version: int | None) -> None:
        self._written.setdefault(key, {})[name] = version
        self._since[key] = self._clock.monotonic()

    def stale(self, key: str, cached: Iterable[discovery.EndpointSlice]) -> bool:
        """Whether the cache is behind our own writes."""
        expected = self._written.get(key)
        if not expected:
            return False
        versions = {one.metadata.name: int(one.metadata.resourceVersion) for one in cached}
        for name, version in expected.items():
            seen = versions.get(name)
            if (version is None) != (seen is None) or (version is not None and seen is not None and seen < version):
                if self._clock.monotonic() - self._since[key] < PATIENCE:
                    return True
                self.forget(key)
                return False
        return False

    def is_ours(self, key: str, one: discovery.EndpointSlice) -> bool:
        """Whether this state of the slice is what we wrote."""
        version = self._written.get(key, {}).get(one.metadata.name)
        return version is not None and int(one.metadata.resourceVersion) <= version

    def saw_deletion(self, key: str, name: str) -> bool:
        """The slice is gone; whether it was we who deleted it."""
        expected = self._written.get(key, {})
        return expected.pop(name, 0) is None

    def forget(self, key: str) -> None:
        """The Service is gone."""
        self._written.pop(key, None)
        self._since.pop(key, None)
