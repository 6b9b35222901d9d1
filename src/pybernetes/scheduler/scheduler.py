"""The scheduler: takes Pods without a node from the queue, decides for each, and has the decision written.

Deciding is one step after the other and never awaits; binding runs beside it. Between the two a Pod is assumed:
a copy with `spec.nodeName` set counts in the cache, while the object in the API is still as it was.
Path: 13 scheduler picks a node. Upstream: pkg/scheduler (scheduler.go, schedule_one.go).
"""

import asyncio
import random

import msgspec

from pybernetes.aio import backoff, tasks
from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, storage
from pybernetes.apimachinery import errors
from pybernetes.client import events, informer, rest
from pybernetes.scheduler import (
    algorithm,
    binding_cycle,
    cluster_events,
    event_handlers,
    failure,
    framework,
    instruments,
    listers,
    nominator,
    preemption,
    preemption_executor,
    profiles,
    queue,
    volume_binder,
    waiting_pods,
)
from pybernetes.scheduler.binding_cycle import Decision
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.context import SchedulerConfig, SchedulerContext
from pybernetes.scheduler.framework import Code, CycleState, FitError, Status
from pybernetes.scheduler.node_info import CacheCorrupted, PodInfo
from pybernetes.scheduler.plugins import default_preemption
from pybernetes.scheduler.runtime import Framework
from pybernetes.telemetry import logs, metrics, traces

logger = logs.get("scheduler")
_BIND_RETRIES = 3
"""After a failure of the server itself; anything else sends the Pod back to the queue."""


class Scheduler:
    """The component."""

    def __init__(
        self,
        client: rest.Client,
        clock: clocks.Clock,
        config: SchedulerConfig | None = None,
        registry: metrics.Registry = metrics.DEFAULT,
    ) -> None:
        config = config or SchedulerConfig()
        rng = clock.random if config.seed is None else random.Random(config.seed)
        self._clock = clock
        self._group = tasks.TaskGroup("kube-scheduler")
        self._informers = informer.InformerFactory(client, clock, self._group)
        self.started = asyncio.Event()
        """Set when the caches are complete and Pods are being scheduled."""
        self._ready = asyncio.Event()
        self._backoff_changed = asyncio.Event()
        self._algorithm = algorithm.Algorithm(config.percentage_of_nodes_to_score, rng)
        self.cache = Cache()
        self._listers = listers.Listers(self._informers.informer)
        nominations = nominator.Nominator(self._listers.pods.get)
        self._pods = client.resource(core.Pod)
        evaluator = preemption.Evaluator(self.cache.snapshot, self._listers, rng, clock.now)
        executor = preemption_executor.PreemptionExecutor(lambda: self._context)
        needs = profiles.Dependencies(
            self.cache.snapshot,
            self._listers,
            self._post_binding,
            nominations,
            volume_binder.VolumeBinder(client, self._listers, clock),
            lambda: default_preemption.DefaultPreemption(evaluator, executor, lambda name: self.profiles[name]),
        )
        self.profiles = profiles.build_all(config.profiles, needs)
        self.queue = queue.PriorityQueue(
            self.profiles,
            clock.monotonic,
            initial_backoff=config.pod_initial_backoff_seconds,
            max_backoff=config.pod_max_backoff_seconds,
            nominations=nominations,
        )
        self._context = SchedulerContext(
            client=client,
            clock=clock,
            group=self._group,
            cache=self.cache,
            queue=self.queue,
            listers=self._listers,
            profiles=self.profiles,
            recorders={
                name: events.EventRecorder(client, name, clock, self._group, config.host) for name in self.profiles
            },
            instruments=instruments.Instruments(registry),
            waiting=waiting_pods.WaitingPods(clock),
            bindings=asyncio.Semaphore(config.parallelism),
        )
        self._failures = failure.FailureHandler(self._context)
        self._binding = binding_cycle.BindingCycle(self._context, self._failures)
        self._wire()

    def _wire(self) -> None:
        context = self._context
        context.instruments.watch(self.cache, self.queue)
        self.queue.on_ready = self._ready.set
        self.queue.on_backoff = self._backoff_changed.set
        incoming = context.instruments.incoming
        self.queue.on_incoming = lambda name, event: incoming.labels(name, event).inc()
        handlers = event_handlers.EventHandlers(self.cache, self.queue, self.profiles, context.waiting.reject)
        known = self._informers.informer
        handlers.add_all_event_handlers(known(core.Pod, field_selector=listers.UNFINISHED_PODS), known(core.Node))
        handlers.offer(known(core.PersistentVolumeClaim), cluster_events.PERSISTENT_VOLUME_CLAIM)
        handlers.offer(known(core.PersistentVolume), cluster_events.PERSISTENT_VOLUME)
        handlers.offer(known(storage.StorageClass), cluster_events.STORAGE_CLASS)
        handlers.offer(known(storage.CSIDriver), cluster_events.CSI_DRIVER)
        handlers.offer(known(storage.CSINode), cluster_events.CSI_NODE)
        handlers.offer(known(storage.CSIStorageCapacity), cluster_events.CSI_STORAGE_CAPACITY)

    async def _post_binding(self, binding: core.Binding) -> None:
        metadata = binding.metadata
        delays = backoff.Backoff(0.01, 1.25, 5.0, 0.1, rng=self._clock.random)
        for _ in range(_BIND_RETRIES):
            try:
                await self._pods.create_subresource(metadata.name, "binding", binding, metadata.namespace)
                return
            except (errors.InternalError, errors.ServiceUnavailable):
                await self._clock.sleep(delays.next())
        await self._pods.create_subresource(metadata.name, "binding", binding, metadata.namespace)

    async def run(self) -> None:
        """Work until cancelled."""
        traces.acting_as.set("kube-scheduler")
        async with self._group as group:
            await self._informers.start()
            await self._informers.wait_for_sync()
            group.start(self._flush_queue(), "queue")
            group.start(self._schedule(), "schedule")
            self.started.set()
            logger.info("Started scheduler", extra=logs.kv(profiles=",".join(self.profiles)))
            await group.wait()

    async def _schedule(self) -> None:
        while True:
            if self.schedule_one():
                await self._clock.sleep(0)  # let watches and bindings have their turn
            else:
                self._ready.clear()
                await self._ready.wait()

    async def _flush_queue(self) -> None:
        """Sleeps until the queue has something to move, or until that moment has changed."""
        while True:
            self._backoff_changed.clear()
            deadline = self.queue.next_deadline()
            timer = None
            if deadline is not None:
                timer = self._clock.call_later(deadline - self._clock.monotonic(), self._backoff_changed.set)
            await self._backoff_changed.wait()
            if timer is not None:
                timer.cancel()
            self.queue.flush()

    def schedule_one(self) -> bool:
        """Decide for the next Pod; False if none is waiting."""
        queued = self.queue.pop()
        if queued is None:
            return False
        profile = self.profiles.get(queued.pod.spec.schedulerName)
        if profile is None or self._skip_pod_schedule(queued.pod):
            self.queue.done(queued.uid)
            return True
        traces.step(19, queued.key)
        started = self._clock.monotonic()
        state = CycleState()
        outcome = self._schedule_pod(profile, state, queued, started)
        if isinstance(outcome, Decision):
            self._group.start(self._binding.run(outcome), f"bind {queued.key}")
        else:
            status, nominated = outcome
            self._failures.handle_scheduling_failure(profile, queued, status, nominated, started)
        return True

    def _skip_pod_schedule(self, pod: core.Pod) -> bool:
        if pod.metadata.deletionTimestamp is not None:
            key = f"{pod.metadata.namespace}/{pod.metadata.name}"
            message = f"skip schedule deleting pod: {key}"
            self._context.event(pod, "Warning", "FailedScheduling", "Scheduling", message)
            return True
        # It may have come in again by an update just before it was assumed.
        return self.cache.is_assumed(pod)

    def _schedule_pod(
        self, profile: Framework, state: CycleState, queued: queue.QueuedPodInfo, started: float
    ) -> Decision | tuple[Status, str | None]:
        """The decision, or why there is none and where the Pod is expected now."""
        snapshot = self.cache.update_snapshot()
        try:
            result = self._algorithm.schedule_pod(profile, state, queued.info, snapshot)
        except framework.NoNodesAvailable as error:
            return Status(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, error=error), ""
        except FitError as error:
            nominated = self._post_filter(profile, state, queued.info, error)
            return Status(Code.UNSCHEDULABLE, error=error), nominated
        except framework.PluginFailed as error:
            return framework.as_status(error), ""
        finally:
            self._context.instruments.algorithm_duration.observe(self._clock.monotonic() - started)
        try:
            assumed = self.assume(queued.info, result.suggested_host)
        except CacheCorrupted as error:
            # The handler finds out whether the Pod is bound already; only if not, it is tried again.
            return framework.as_status(error), ""
        decision = Decision(profile, state, queued, assumed, result.suggested_host, started)
        status = self._reserve_and_permit(decision)
        return decision if status is None else (status, "")

    def _post_filter(self, profile: Framework, state: CycleState, pod: PodInfo, error: FitError) -> str | None:
        """Ask for room to be made; the answer becomes part of the error's text."""
        if not profile.has_post_filter_plugins:
            return ""
        self._context.instruments.preemption_attempts.inc()
        result, status = profile.run_post_filter(state, pod, error.diagnosis.node_to_status)
        if status is not None:
            error.diagnosis.post_filter_message = status.message
        return None if result is None else result.nominated_node_name

    def assume(self, pod: PodInfo, host: str) -> PodInfo:
        """Count a copy of the Pod on the node; the object that the API knows is not touched."""
        spec = msgspec.structs.replace(pod.pod.spec, nodeName=host)
        assumed = pod.with_pod(msgspec.structs.replace(pod.pod, spec=spec))
        self.cache.assume(assumed)
        traces.step(20, pod.key, host)
        self.queue.nominator.delete(pod.uid)
        return assumed

    def _reserve_and_permit(self, decision: Decision) -> Status | None:
        profile = decision.profile
        status = profile.run_reserve(decision.state, decision.assumed, decision.host)
        if status is None:
            status, waits = profile.run_permit(decision.state, decision.assumed, decision.host)
            if status is None:
                return None
            if status.code == Code.WAIT:
                self._context.waiting.add(decision.assumed, waits)
                return None
        self._binding.unreserve_and_forget(decision)
        return binding_cycle.refusal_on(decision, status) if status.rejected else status
