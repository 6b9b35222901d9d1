"""Counters, gauges and histograms, and their Prometheus text.

On the hot path a metric costs an attribute addition (counter 0.1 us, histogram 0.2 us): get the child with `labels`
once and keep it.
Upstream: k8s.io/component-base/metrics.
"""

import bisect
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Value:
    """One time series of a counter or gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add."""
        self.value += amount

    def dec(self, amount: float = 1.0) -> None:
        """Subtract (gauges only)."""
        self.value -= amount

    def set(self, value: float) -> None:
        """Replace (gauges only)."""
        self.value = value


class Distribution:
    """One time series of a histogram."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


Series = TypeVar("Series")


class Family(Generic[Series]):
    """One metric name: help, type, label names, and a series for each combination of label values."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], make: Callable[[], Series]) -> None:
        self.name = name
        self.help_text = help_text
        self.label_names = tuple(labels)
        self._make = make
        self._series: dict[tuple[str, ...], Series] = {}

    def labels(self, *values: str) -> Series:
        """The series of those label values, in the order of the label names; made on first use."""
        series = self._series.get(values)
        if series is None:
            if len(values) != len(self.label_names):
                raise ValueError(f"{self.name} has labels {self.label_names}, got {values}")
            series = self._series[values] = self._make()
        return series

    def series(self) -> Iterator[tuple[str, Series]]:
        """Each series with its labels as text: `a="1",b="2"`."""
        for values, series in sorted(self._series.items()):
            pairs = zip(self.label_names, values, strict=True)
            yield ",".join(f'{name}="{_escape(value)}"' for name, value in pairs), series


class Registry:
    """The metrics of one process (or of one component in a test)."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, Family[Value]]] = {}
        self._histograms: dict[str, Family[Distribution]] = {}
        self._refreshed: set[weakref.WeakMethod[Callable[[], None]]] = set()

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Value]:
        """A counter; asking twice for a name gives the same one."""
        return self._value("counter", name, help_text, labels)

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Value]:
        """A gauge; asking twice for a name gives the same one."""
        return self._value("gauge", name, help_text, labels)

    def _value(self, kind: str, name: str, help_text: str, labels: Sequence[str]) -> Family[Value]:
        if name not in self._values:
            family: Family[Value] = Family(name, help_text, labels, Value)
            self._values[name] = (kind, family)
        return self._values[name][1]

    def histogram(
        self, name: str, help_text: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Family[Distribution]:
        """A histogram with those upper bounds; asking twice for a name gives the same one."""
        if name not in self._histograms:
            bounds = tuple(buckets)
            make: Callable[[], Distribution] = lambda: Distribution(bounds)  # noqa: E731
            self._histograms[name] = Family(name, help_text, labels, make)
        return self._histograms[name]

    def refresh_by(self, method: Callable[[], None]) -> None:
        """Have a method refresh gauges right before each rendering, as long as its object lives.

        The registry lives as long as the process; what it reads from in a test does not.
        """
        self._refreshed.add(weakref.WeakMethod(method, self._refreshed.discard))

    def render(self) -> bytes:
        """The exposition text (Content-Type `text/plain; version=0.0.4`)."""
        for alive in [*self._refreshed]:
            if (refresh := alive()) is not None:
                refresh()
        lines: list[str] = []
        for name, (kind, values) in sorted(self._values.items()):
            lines += (f"# HELP {name} {values.help_text}", f"# TYPE {name} {kind}")
            lines += (
                f"{name}{{{text}}} {one.value:g}" if text else f"{name} {one.value:g}" for text, one in values.series()
            )
        for name, histogram in sorted(self._histograms.items()):
            lines += (f"# HELP {name} {histogram.help_text}", f"# TYPE {name} histogram")
            for text, one in histogram.series():
                lines += _distribution_lines(name, text, one)
        return ("\n".join(lines) + "\n").encode()


def _distribution_lines(name: str, text: str, one: Distribution) -> Iterator[str]:
    prefix = f"{text}," if text else ""
    running = 0
    for bound, count in zip((*(f"{bound:g}" for bound in one.bounds), "+Inf"), one.counts, strict=True):
        running += count
        yield f'{name}_bucket{{{prefix}le="{bound}"}} {running}'
    braces = f"{{{text}}}" if text else ""
    yield f"{name}_sum{braces} {one.total:g}"
    yield f"{name}_count{braces} {running}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


DEFAULT = Registry()
"""The registry of this process, served at /metrics."""
