"""When to probe which container, and what to make of the answers.

One worker for each probe of each container. It sleeps until a deadline it has computed, or until it hears that its
container changed:

    no container running ──runs──► delayed (initialDelaySeconds) ──due──► probing ──period──► probing …
            ▲                                                              │ startup/liveness failed
            └───────────── container gone or replaced ◄──── on hold ◄──────┘

Upstream: pkg/kubelet/prober (worker.go, prober_manager.go, results).
"""

import asyncio
import enum
from collections.abc import Callable

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core
from pybernetes.kubelet import pod_status, probes, recording, runtime_status
from pybernetes.kubelet.cri import runtime


class Kind(enum.Enum):
    """The three probes; the names are those in events."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"

    @property
    def title(self) -> str:
        return self.value.capitalize()


BEGIN_SECONDS = 0.5
"""How long a program has to begin before it is first asked whether it is ready: asked too soon, it would have to wait a
whole period. Upstream's kubelet hears of a started container half a second late on average."""

Key = tuple[str, str, Kind]
"""pod uid, container name, kind"""


class Prober:
    """All probe workers of the node and the results by container id."""

    def __init__(
        self,
        asker: probes.Probes,
        clock: clocks.Clock,
        events: recording.Events,
        group: tasks.TaskGroup,
        on_result: Callable[[str], None],
    ) -> None:
        self.asker = asker
        self.clock = clock
        self.events = events
        self.on_result = on_result
        self.results: dict[Kind, dict[str, bool]] = {kind: {} for kind in Kind}
        self._group = group
        self._workers: dict[Key, _Worker] = {}

    def add_pod(self, pod: core.Pod) -> None:
        """Have a worker for each probe of the pod; harmless when they are there already."""
        sidecars = [one for one in pod.spec.initContainers if runtime_status.is_sidecar(one)]
        for container in (*sidecars, *pod.spec.containers):
            for kind, probe in _probes_of(container):
                key = (pod.metadata.uid, container.name, kind)
                worker = self._workers.get(key)
                if worker is None:
                    worker = self._workers[key] = _Worker(self, pod, container, kind, probe)
                    worker.task = self._group.start(worker.run(), f"{kind.value} {pod.metadata.name}/{container.name}")
                else:
                    worker.pod = pod

    def update(self, pod: core.Pod, status: runtime_status.PodStatus) -> None:
        """Tell the workers of a pod which containers run now."""
        ip = next(iter(status.ips), "")
        for (uid, name, _), worker in self._workers.items():
            if uid == pod.metadata.uid:
                worker.target_is(_target(worker.container, status.find_active(name), ip))

    def stop_liveness_and_startup(self, uid: str) -> None:
        """The pod is going down: only readiness still matters."""
        self._stop([key for key in self._workers if key[0] == uid and key[2] is not Kind.READINESS])

    def remove_pod(self, uid: str) -> None:
        """The pod is down."""
        self._stop([key for key in self._workers if key[0] == uid])

    def _stop(self, keys: list[Key]) -> None:
        for key in keys:
            worker = self._workers.pop(key)
            if worker.task is not None:
                worker.task.cancel()
            if worker.container_id:
                self.results[key[2]].pop(worker.container_id, None)

    def started(self, pod_uid: str, name: str, container_id: str) -> bool:
        """Whether liveness and readiness may begin."""
        known = self.results[Kind.STARTUP].get(container_id)
        return known if known is not None else (pod_uid, name, Kind.STARTUP) not in self._workers

    def publish(self, worker: "_Worker", value: bool | None) -> None:
        """Set the result of a container; who cares is told when it differs."""
        results = self.results[worker.kind]
        before = results.get(worker.container_id)
        if value is None:
            results.pop(worker.container_id, None)
        else:
            results[worker.container_id] = value
        if before != value:
            if worker.kind is Kind.STARTUP:
                for other in self._workers.values():
                    if other.pod.metadata.uid == worker.pod.metadata.uid:
                        other.changed.set()
            self.on_result(worker.pod.metadata.uid)

    def view(self, uid: str) -> pod_status.ProbeView:
        """What decides on `ready` and `started`."""
        workers = frozenset((name, kind.value) for owner, name, kind in self._workers if owner == uid)
        return pod_status.ProbeView(self.results[Kind.READINESS], self.results[Kind.STARTUP], workers)


def _probes_of(container: core.Container) -> list[tuple[Kind, core.Probe]]:
    every = (
        (Kind.STARTUP, container.startupProbe),
        (Kind.READINESS, container.readinessProbe),
        (Kind.LIVENESS, container.livenessProbe),
    )
    return [(kind, probe) for kind, probe in every if probe is not None]


def _target(container: core.Container, status: runtime.ContainerStatus | None, ip: str) -> probes.Target | None:
    if status is None or status.state is not runtime.ContainerState.RUNNING:
        return None
    return probes.Target(container, status.id, ip, status.started_at / 1e9)


class _Worker:
    """One probe of one container, over all its restarts."""

    def __init__(self, prober: Prober, pod: core.Pod, container: core.Container, kind: Kind, probe: core.Probe) -> None:
        self.pod = pod
        self.container = container
        self.kind = kind
        self.probe = probe
        self.container_id = ""
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._prober = prober
        self._target: probes.Target | None = None
        self._on_hold = False
        self._last: bool | None = None
        self._run = 0
        """how often in a row the last answer was given"""
        self._period = float(probe.periodSeconds or 10)
        self._first = prober.clock.monotonic()
        self._due = 0.0

    def target_is(self, target: probes.Target | None) -> None:
        """The container that runs now, if any."""
        if target != self._target:
            self._target = target
            self.changed.set()

    async def run(self) -> None:
        """Probe until cancelled."""
        clock = self._prober.clock
        while True:
            self.changed.clear()
            wait = self._step(clock)
            if wait is None:
                await self.changed.wait()
            elif wait > 0:
                timer = clock.call_later(wait, self.changed.set)
                await self.changed.wait()
                timer.cancel()
            else:
                await self._ask(clock)

    def _step(self, clock: clocks.Clock) -> float | None:
        """Seconds until the next probe; None: only when something changes."""
        target = self._target
        if target is None:
            if self.container_id and self.kind is Kind.READINESS:
                self._prober.publish(self, False)
            return None
        if target.container_id != self.container_id:
            if self.container_id:
                self._prober.results[self.kind].pop(self.container_id, None)
            self.container_id = target.container_id
            self._on_hold, self._last, self._run = False, None, 0
            # Readiness is asked soon; the others at the worker's next beat, which gives the program time to begin.
            self._due = 0.0 if self.kind is Kind.READINESS else self._next_beat(clock)
            self._prober.publish(self, {Kind.READINESS: False, Kind.LIVENESS: True, Kind.STARTUP: None}[self.kind])
        if self._on_hold:
            return None
        started = self._prober.started(self.pod.metadata.uid, self.container.name, self.container_id)
        if started == (self.kind is Kind.STARTUP):
            return None
        begun = max(float(self.probe.initialDelaySeconds), BEGIN_SECONDS if self.kind is Kind.READINESS else 0.0)
        earliest = target.started_at + begun - clock.now().timestamp()
        return max(0.0, earliest, self._due - clock.monotonic())

    def _next_beat(self, clock: clocks.Clock) -> float:
        passed = clock.monotonic() - self._first
        return self._first + self._period * (passed // self._period + 1)

    async def _ask(self, clock: clocks.Clock) -> None:
        target = self._target
        assert target is not None
        self._due = clock.monotonic() + self._period
        try:
            answer = await self._prober.asker.run(self.probe, target)
        except probes.ProbeError as failure:
            self._event(
                recording.UNHEALTHY, f"{self.kind.title} probe errored and resulted in unknown state: {failure}"
            )
            return
        if self._target is not target or target.container_id != self.container_id:
            return  # the answer is about a container that is gone
        good = answer.outcome is not probes.Outcome.FAILURE
        if answer.outcome is probes.Outcome.WARNING:
            self._event(recording.PROBE_WARNING, f"{self.kind.title} probe warning: {answer.output}")
        elif not good:
            self._event(recording.UNHEALTHY, f"{self.kind.title} probe failed: {answer.output}")
        self._run = self._run + 1 if good == self._last else 1
        self._last = good
        threshold = self.probe.successThreshold or 1 if good else self.probe.failureThreshold or 3
        if self._run < threshold:
            return
        if self.kind is not Kind.READINESS and not good:
            # The container will be restarted: asking again before that says nothing.
            self._on_hold, self._run = True, 0
        self._prober.publish(self, good)

    def _event(self, reason: str, message: str) -> None:
        self._prober.events.container(self.pod, self.container, recording.WARNING, reason, message)
