"""Exponential delays with jitter.

Upstream: k8s.io/apimachinery/pkg/util/wait (Backoff), client-go/util/flowcontrol (Backoff).
"""

import dataclasses
import random


@dataclasses.dataclass(slots=True)
class Backoff:
    """Delays in seconds: `initial`, then `factor` times more each time up to `maximum`, each up to `jitter` longer.

    `jitter` is a fraction (0.1 adds up to ten per cent). Jitter takes an `rng`, which is the
    clock's, so that a seed repeats a history.
    """

    initial: float
    maximum: float
    factor: float = 2.0
    jitter: float = 0.0
    rng: random.Random | None = dataclasses.field(default=None, repr=False, kw_only=True)
    _current: float = dataclasses.field(default=0.0, init=False)

    def next(self) -> float:
        """The next delay; the one after it will be longer."""
        self._current = min(self.maximum, self._current * self.factor if self._current else self.initial)
        return self._current * (1.0 + self.jitter * self.rng.random()) if self.rng else self._current

    def reset(self) -> None:
        """Start again at `initial`."""
        self._current = 0.0
