"""Progress of long work: what is being waited for, how long it took, how long it usually takes."""

import sys
from typing import TextIO

from pybernetes.aio import clock as clocks


class Progress:
    """Prints one line a finished step with its time; on a terminal the step under way is shown and replaced."""

    def __init__(self, clock: clocks.Clock, stream: TextIO | None = None) -> None:
        self._clock = clock
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self.started = clock.monotonic()
        self._step_started = self.started
        self.timings: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock.monotonic() - self.started

    def waiting(self, what: str) -> None:
        """Say what is waited for now."""
        if self._terminal:
            self._stream.write(f"\r\x1b[K… {what} ({self.elapsed:.1f} s)")
            self._stream.flush()

    def done(self, what: str) -> None:
        """A step is finished; its time counts from the start."""
        self.timings[what] = self.elapsed
        start = "\r\x1b[K" if self._terminal else ""
        self._stream.write(f"{start}✓ {what} ({self.elapsed:.1f} s)\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        """A line that is neither."""
        start = "\r\x1b[K" if self._terminal else ""
        self._stream.write(f"{start}{text}\n")
        self._stream.flush()
