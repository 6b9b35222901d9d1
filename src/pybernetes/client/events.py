"""Tells the cluster what happened to an object, without ever making the teller wait.

`event` puts the message into a bounded queue; a task of the recorder correlates and sends. Events are a courtesy: when
the queue is full or the server says no, they are dropped (and counted).

Without an `action` the Event is written the way controllers and kubelet do (core/v1: count and timestamps); with one,
the way the scheduler does (events.k8s.io/v1: eventTime, action, series).

Upstream: client-go/tools/record (event.go), client-go/tools/events (event_recorder.go, event_broadcaster.go).
"""

import asyncio
import dataclasses
from typing import Any

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors, timestamps
from pybernetes.client import event_correlation, rest, transport
from pybernetes.telemetry import logs, metrics

logger = logs.get("events")
About = meta.Object | core.ObjectReference | dict[str, Any]

_QUEUE = 1000
_TRIES = 12
_PAUSE = 10.0
_FINISH = 360.0
"""A series of which nothing was heard for so long is over."""
_REFRESH = 1800.0


@dataclasses.dataclass(slots=True)
class _Series:
    event: dict[str, Any]
    last: float
    written: float


class EventRecorder:
    """Records events as one component."""

    def __init__(
        self, client: rest.Client, component: str, clock: clocks.Clock, group: tasks.TaskGroup, host: str = ""
    ) -> None:
        self.component = component
        self.host = host
        self._clock = clock
        self._group = group
        self._core = client.dynamic("v1", "Event")
        self._new = client.dynamic("events.k8s.io/v1", "Event")
        self._correlator = event_correlation.Correlator(clock)
        self._series: dict[tuple[str, ...], _Series] = {}
        self._queue: asyncio.Queue[tuple[bool, dict[str, Any]]] = asyncio.Queue(_QUEUE)
        self._started = False
        self._last_nanos = 0
        self._dropped = metrics.DEFAULT.counter(
            "event_recorder_dropped_total", "Events that were not sent.", ("component",)
        ).labels(component)

    def event(
        self, obj: About, type: str, reason: str, message: str, *, action: str = "", related: About | None = None
    ) -> None:
        """`type` is "Normal" or "Warning"; `reason` one CamelCase word; never blocks."""
        about = reference(obj)
        if action:
            made = self._new_style(about, type, reason, message, action, related)
        else:
            made = self._old_style(about, type, reason, message)
        if not self._started:
            self._started = True
            self._group.start(self._send_all(), f"events of {self.component}")
            self._group.start(self._tend_series(), f"event series of {self.component}")
        try:
            self._queue.put_nowait((bool(action), made))
        except asyncio.QueueFull:
            self._dropped.inc()

    def _metadata(self, about: dict[str, Any]) -> dict[str, Any]:
        nanos = int(self._clock.now().timestamp() * 1_000_000) * 1000
        self._last_nanos = max(nanos, self._last_nanos + 1)  # two events of one moment have two names
        return {
            "name": f"{about.get('name', '')}.{self._last_nanos:x}",
            "namespace": about.get("namespace") or "default",
        }

    def _old_style(self, about: dict[str, Any], kind: str, reason: str, message: str) -> dict[str, Any]:
        now = timestamps.format_time(self._clock.now())
        source = {"component": self.component, "host": self.host}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": self._metadata(about),
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": {name: value for name, value in source.items() if value},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        }

    def _new_style(
        self, about: dict[str, Any], kind: str, reason: str, message: str, action: str, related: About | None
    ) -> dict[str, Any]:
        made = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": self._metadata(about),
            "eventTime": timestamps.format_micro_time(self._clock.now()),
            "reportingController": self.component,
            "reportingInstance": f"{self.component}-{self.host}" if self.host else self.component,
            "action": action,
            "reason": reason,
            "regarding": about,
            "note": message,
            "type": kind,
        }
        if related is not None:
            made["related"] = reference(related)
        return made

    # the sending task

    async def _send_all(self) -> None:
        while True:
            new_style, made = await self._queue.get()
            if new_style:
                await self._send_new(made)
            else:
                await self._send_old(made)
            self._queue.task_done()

    async def flush(self) -> None:
        """Until everything recorded so far was sent or dropped."""
        await self._queue.join()

    async def _send_old(self, made: dict[str, Any]) -> None:
        correlated = self._correlator.correlate(made)
        if correlated is None:
            self._dropped.inc()
            return
        stored = await self._write(self._core, correlated.event, correlated.patch)
        if stored is not None:
            self._correlator.stored(correlated.key, {**correlated.event, **stored})

    async def _send_new(self, made: dict[str, Any]) -> None:
        """The first of its kind makes an Event, the second makes it a series, later ones are only counted for now."""
        key = _series_key(made)
        now = self._clock.monotonic()
        series = self._series.get(key)
        if series is None:
            self._series[key] = _Series(made, now, now)
            await self._write(self._new, made, None)
            return
        series.last = now
        known = series.event.get("series")
        series.event["series"] = {"count": known["count"] + 1 if known else 2, "lastObservedTime": made["eventTime"]}
        if known is None:
            series.written = now
            await self._write(self._new, series.event, {"series": series.event["series"]})

    async def _tend_series(self) -> None:
        while True:
            await self._clock.sleep(_FINISH, upkeep="event series")
            now = self._clock.monotonic()
            for key, series in [*self._series.items()]:
                over = now - series.last >= _FINISH
                if over:
                    del self._series[key]
                if "series" in series.event and (over or now - series.written >= _REFRESH):
                    series.written = now
                    await self._write(self._new, series.event, {"series": series.event["series"]})

    async def _write(
        self, resource: rest.Resource[dict[str, Any]], made: dict[str, Any], patch: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        metadata = made["metadata"]
        for _ in range(_TRIES):
            try:
                if patch is not None:
                    try:
                        return await resource.patch(metadata["name"], patch, metadata["namespace"], type="strategic")
                    except errors.NotFound:
                        patch = None  # it has expired meanwhile
                metadata.pop("resourceVersion", None)
                return await resource.create(made, metadata["namespace"])
            except errors.StatusError as error:
                quiet = isinstance(error, errors.AlreadyExists) or error.has_cause(errors.CAUSE_NAMESPACE_TERMINATING)
                logger.log(10 if quiet else 40, "Server rejected event %s: %s (will not retry!)", metadata, error)
                break
            except transport.TransportError as error:
                logger.warning("Unable to write event %s: %s (may retry after sleeping)", metadata, error)
                await self._clock.sleep(_PAUSE)
        self._dropped.inc()
        return None


def _series_key(made: dict[str, Any]) -> tuple[str, ...]:
    names = ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")
    about, related = made["regarding"], made.get("related", {})
    return (
        *(made[name] for name in ("type", "action", "reason", "reportingController", "reportingInstance")),
        *(about.get(name, "") for name in names),
        *(related.get(name, "") for name in names),
    )


def reference(obj: About) -> dict[str, Any]:
    """An ObjectReference to the object, as events carry it."""
    if isinstance(obj, core.ObjectReference):
        return meta.to_dict(obj)
    if isinstance(obj, dict):
        metadata = obj.get("metadata", {})
        found = {"kind": obj.get("kind", ""), "apiVersion": obj.get("apiVersion", "")}
        found |= {name: metadata.get(name, "") for name in ("namespace", "name", "uid", "resourceVersion")}
    else:
        one = obj.metadata
        found = {
            "kind": obj.kind,
            "namespace": one.namespace,
            "name": one.name,
            "uid": one.uid,
            "apiVersion": obj.apiVersion,
            "resourceVersion": one.resourceVersion,
        }
    return {name: value for name, value in found.items() if value}
