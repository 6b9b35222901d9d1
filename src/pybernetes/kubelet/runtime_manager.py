"""Carries out what `actions` decided: sandboxes and containers of one pod, in upstream's order.

    1 compute actions   2 kill the pod, or   3 kill single containers   4 create the sandbox
    5 ephemeral containers   6 init containers   7 regular containers

Path: 15 CRI starts sandbox and containers.
Upstream: pkg/kubelet/kuberuntime/kuberuntime_manager.go (SyncPod, killPodWithSyncResult).
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import deadline, tasks
from pybernetes.api.types import core
from pybernetes.apimachinery import timestamps
from pybernetes.kubelet import (
    actions,
    cgroup_manager,
    container_starter,
    keyed_backoff,
    lifecycle_hooks,
    measures,
    recording,
    resize,
    resources,
    runtime_status,
    start_errors,
)
from pybernetes.kubelet.cri import convert, runtime

logger = logging.getLogger(__name__)

MINIMUM_GRACE = 2
_DEFAULT_GRACE = 30


class SyncError(Exception):
    """A sync did not get through; `retry_after` says when trying again makes sense, where that is known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclasses.dataclass(slots=True)
class SyncResult:
    """What came of a sync: reasons by container name for those that could not be started."""

    reasons: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    started: set[str] = dataclasses.field(default_factory=set)
    acted: bool = False
    error: str = ""
    retry_after: float | None = None

    def failed(self, container: str, failure: start_errors.StartError) -> None:
        """A container could not be started."""
        self.reasons[container] = (failure.reason, failure.message)
        self.fail(str(failure), failure.retry_after)

    def fail(self, message: str, retry_after: float | None = None) -> None:
        """Note a failure; of several the earliest retry counts."""
        self.error = self.error or message
        if retry_after is not None:
            self.retry_after = min(retry_after, self.retry_after or retry_after)


@dataclasses.dataclass(frozen=True, slots=True)
class PodOutside:
    """What a sync needs from the kubelet: how the sandbox is configured, and two questions asked while it runs."""

    sandbox_options: Callable[[core.Pod], convert.SandboxOptions]
    termination_requested: Callable[[str], bool]
    sandbox_ready: Callable[[core.Pod], None]
    runtime_handler: Callable[[core.Pod], str] = lambda _: ""
    node: resources.Node = resources.DEFAULT_NODE
    groups: cgroup_manager.PodGroups | None = None


class RuntimeManager:
    """Syncs and kills pods in the runtime."""

    def __init__(
        self,
        cri: runtime.Runtime,
        clock: clocks.Clock,
        events: recording.Events,
        starter: container_starter.ContainerStarter,
        hooks: lifecycle_hooks.Hooks,
        outside: PodOutside,
    ) -> None:
        self._cri = cri
        self._clock = clock
        self._events = events
        self._starter = starter
        self._hooks = hooks
        self._outside = outside
        self.crash_backoff = keyed_backoff.KeyedBackoff(clock)
        self.actuated: dict[str, core.ResourceRequirements] = {}
        """resources that running containers have been given, by container id"""

    # -- sync --------------------------------------------------------------------------------------------------------

    async def sync_pod(
        self,
        pod: core.Pod,
        status: runtime_status.PodStatus,
        secrets: Sequence[core.Secret],
        observed: actions.Observations,
    ) -> SyncResult:
        """Bring the runtime to what the spec says."""
        todo = actions.compute_pod_actions(pod, status, observed)
        result = SyncResult(acted=not todo.nothing_to_do)
        if todo.create_sandbox and todo.sandbox_id:
            message = "Pod sandbox changed, it will be killed and re-created."
            self._events.pod(pod, recording.NORMAL, recording.SANDBOX_CHANGED, message)
        try:
            if todo.kill_pod:
                await self.kill_pod(pod, status)
                if todo.create_sandbox:
                    await self._remove_init_containers(pod, status, keep_newest=False)
            else:
                for victim in todo.kill.values():
                    await self.kill_container(pod, victim.container_id, victim.container, victim.message, victim.reason)
        except runtime.CriError as failure:
            result.fail(str(failure))
            return result
        await self._resize(pod, todo, result)
        if todo.init_containers:
            await self._remove_init_containers(pod, status, keep_newest=True)
        ips, sandbox_id = status.ips, todo.sandbox_id
        config = convert.sandbox_config(pod, todo.attempt, self._outside.sandbox_options(pod))
        if todo.create_sandbox:
            sandbox = await self._create_sandbox(pod, config, result)
            if sandbox is None:
                return result
            sandbox_id = sandbox.id
            if not pod.spec.hostNetwork:
                ips = sandbox.ips
            self._outside.sandbox_ready(pod)
        place = container_starter.Place(sandbox_id, config, ips, secrets)
        await self._start_containers(pod, status, todo, place, result)
        return result

    async def _create_sandbox(
        self, pod: core.Pod, config: runtime.Message, result: SyncResult
    ) -> runtime.Sandbox | None:
        measures.started_pods.inc()
        try:
            sandbox_id = await self._cri.run_pod_sandbox(config, self._outside.runtime_handler(pod))
        except runtime.CriError as failure:
            if self._outside.termination_requested(pod.metadata.uid):
                return None  # deleted meanwhile: not worth a word
            measures.started_pods_errors.inc()
            self._events.pod(
                pod, recording.WARNING, recording.FAILED_SANDBOX, f"Failed to create pod sandbox: {failure}"
            )
            result.fail(f'failed to "CreatePodSandbox" for "{runtime_status.pod_description(pod)}": {failure}')
            return None
        try:
            return await self._cri.pod_sandbox_status(sandbox_id)
        except runtime.CriError as failure:
            message = f"Unable to get pod sandbox status: {failure}"
            self._events.pod(pod, recording.WARNING, recording.FAILED_SANDBOX_STATUS, message)
            result.fail(message)
            return None

    async def _start_containers(
        self,
        pod: core.Pod,
        status: runtime_status.PodStatus,
        todo: actions.PodActions,
        place: container_starter.Place,
        result: SyncResult,
    ) -> None:
        spec = pod.spec
        for index in todo.ephemeral_containers:
            await self._start(pod, spec.ephemeralContainers[index], status, place, result)
        for index in todo.init_containers:
            container = spec.initContainers[index]
            if not await self._start(pod, container, status, place, result) and not runtime_status.is_sidecar(
                container
            ):
                return
        for index in todo.containers:
            await self._start(pod, spec.containers[index], status, place, result)

    async def _start(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        status: runtime_status.PodStatus,
        place: container_starter.Place,
        result: SyncResult,
    ) -> bool:
        kind = measures.container_type(container, init=container in pod.spec.initContainers)
        try:
            self._check_backoff(pod, container, status)
            measures.started_containers.labels(kind).inc()
            if self._outside.groups is not None:
                self._outside.groups.resize(pod)
            container_id = await self._starter.start(pod, container, status, place)
            self.actuated[container_id] = container.resources
            try:
                await self._starter.run_post_start(pod, container, container_id, next(iter(place.ips), ""))
            except start_errors.StartError:
                await self.kill_container(pod, container_id, container, "FailedPostStartHook")
                raise
        except start_errors.StartError as failure:
            result.failed(container.name, failure)
            if failure.reason != start_errors.CRASH_LOOP_BACK_OFF:
                measures.started_containers_errors.labels(kind, failure.reason).inc()
            return False
        except (runtime.CriError, OSError) as failure:
            result.fail(str(failure))
            return False
        result.started.add(container.name)
        return True

    async def _resize(self, pod: core.Pod, todo: actions.PodActions, result: SyncResult) -> None:
        """Give running containers the resources that their spec now asks for."""
        if not todo.update:
            return
        self._events.pod(pod, recording.NORMAL, "ResizeStarted", resize.event_message(pod, "Pod resize started"))
        groups = self._outside.groups
        if groups is not None:
            with contextlib.suppress(OSError):  # the kernel lets a group grow before, and shrink after, those below it
                groups.resize(pod)
        for container_id, container in todo.update.items():
            try:
                wanted = resources.linux_resources(pod, container, self._outside.node)
                await self._cri.update_container_resources(container_id, wanted)
                if groups is not None:
                    groups.resize(pod)
            except (runtime.CriError, OSError) as failure:
                message = resize.event_message(pod, "Pod resize error", str(failure))
                self._events.pod(pod, recording.WARNING, "ResizeError", message)
                result.fail(str(failure))
                return
            self.actuated[container_id] = container.resources
        self._events.pod(pod, recording.NORMAL, "ResizeCompleted", resize.event_message(pod, "Pod resize completed"))

    def _check_backoff(
        self, pod: core.Pod, container: runtime_status.AnyContainer, status: runtime_status.PodStatus
    ) -> None:
        """A container that has just ended waits before it is started again, each time longer."""
        ended = next(
            (
                one
                for one in status.containers
                if one.name == container.name and one.state is runtime.ContainerState.EXITED
            ),
            None,
        )
        if ended is None:
            return
        key = f"{pod.metadata.uid}_{container.name}_{container.image}"
        finished = ended.finished_at / 1e9
        wait = self.crash_backoff.remaining(key, finished)
        if wait <= 0:
            self.crash_backoff.next(key, finished)
            return
        description = runtime_status.pod_description(pod)
        self._events.container(
            pod,
            container,
            recording.WARNING,
            recording.BACK_OFF,
            f"Back-off restarting failed container {container.name} in pod {description}",
        )
        delay = timestamps.format_duration(int(self.crash_backoff.delay(key) * 1e9))
        message = f"back-off {delay} restarting failed container={container.name} pod={description}"
        raise start_errors.StartError(start_errors.CRASH_LOOP_BACK_OFF, message, wait)

    async def _remove_init_containers(
        self, pod: core.Pod, status: runtime_status.PodStatus, *, keep_newest: bool
    ) -> None:
        """Remove finished init containers: all of them, or all but the newest of each."""
        for container in pod.spec.initContainers:
            found = [one for one in status.containers if one.name == container.name]
            ended = (runtime.ContainerState.EXITED, runtime.ContainerState.UNKNOWN)
            for old in found[1:] if keep_newest else found:
                if old.state in ended:
                    await self._cri.remove_container(old.id)

    # -- kill --------------------------------------------------------------------------------------------------------

    async def remove_dead(self, status: runtime_status.PodStatus, keep: int) -> None:
        """Of each container's dead predecessors only the newest stay, for their logs.

        Upstream: pkg/kubelet/pod_container_deletor.go.
        """
        dead: dict[str, int] = {}
        for one in status.containers:
            if one.state is runtime.ContainerState.EXITED:
                dead[one.name] = dead.get(one.name, 0) + 1
                if dead[one.name] > keep:
                    await self._cri.remove_container(one.id)

    async def kill_pod(
        self, pod: core.Pod, status: runtime_status.PodStatus, grace_override: int | None = None
    ) -> None:
        """Stop all containers (sidecars after the others, the last one first), then the sandboxes."""
        ordering = _TerminationOrdering(pod, {one.name for one in status.running})
        await tasks.gather(
            *(self._kill_in_order(pod, one, ordering, grace_override) for one in status.running), name="kill"
        )
        for sandbox in status.sandboxes:
            await self._cri.stop_pod_sandbox(sandbox.id)

    async def _kill_in_order(
        self,
        pod: core.Pod,
        status: runtime.ContainerStatus,
        ordering: "_TerminationOrdering",
        grace_override: int | None,
    ) -> None:
        container = runtime_status.find_container(pod.spec, status.name)
        try:
            grace = grace_override
            if container is not None and ordering.must_wait(status.name):
                begin = self._clock.monotonic()
                total = grace_override if grace_override is not None else grace_period(pod)
                await ordering.wait(status.name, self._clock, total)
                grace = max(MINIMUM_GRACE, total - int(self._clock.monotonic() - begin))
            await self.kill_container(pod, status.id, container or _lost_container(status), grace_override=grace)
        finally:
            ordering.stopped(status.name)

    async def kill_container(
        self,
        pod: core.Pod,
        container_id: str,
        container: runtime_status.AnyContainer,
        message: str = "",
        reason: str = "",
        grace_override: int | None = None,
    ) -> None:
        """Run preStop, then stop the container within its grace period."""
        grace = grace_period(pod, container, reason)
        self._events.container(
            pod, container, recording.NORMAL, recording.KILLING, message or f"Stopping container {container.name}"
        )
        if grace_override is not None:
            grace = grace_override
        hook = container.lifecycle.preStop if container.lifecycle is not None else None
        if hook is not None and grace > 0:
            begin = self._clock.monotonic()
            await self._pre_stop(pod, container, hook, container_id, grace)
            grace -= int(self._clock.monotonic() - begin)
        if grace_override is None or grace_override > 0:
            grace = max(grace, MINIMUM_GRACE)
        await self._cri.stop_container(container_id, max(0, grace))

    async def _pre_stop(
        self,
        pod: core.Pod,
        container: runtime_status.AnyContainer,
        hook: core.LifecycleHandler,
        container_id: str,
        grace: int,
    ) -> None:
        """Run the hook, for at most the grace period; a failing one only makes an event."""
        ip = next((one.ip for one in pod.status.podIPs), pod.status.podIP)
        try:
            async with deadline.Deadline(self._clock, grace):
                await self._hooks.run(pod, container, hook, container_id, ip)
        except TimeoutError:
            logger.info("preStop of %s in %s not done within %s s", container.name, pod.metadata.name, grace)
        except lifecycle_hooks.HookError as failure:
            logger.info("preStop of %s in %s: %s", container.name, pod.metadata.name, failure)
            self._events.container(pod, container, recording.WARNING, recording.PRE_STOP_FAILED, "PreStopHook failed")

    def forget(self, uid: str, container_ids: Iterable[str]) -> None:
        """The pod is gone."""
        self.crash_backoff.forget(uid)
        self._starter.images.forget(uid)
        for container_id in container_ids:
            self.actuated.pop(container_id, None)


def grace_period(pod: core.Pod, container: runtime_status.AnyContainer | None = None, reason: str = "") -> int:
    """Seconds a container has to end: of the deletion, of the probe that failed, or of the spec."""
    if pod.metadata.deletionGracePeriodSeconds is not None:
        return pod.metadata.deletionGracePeriodSeconds
    grace = pod.spec.terminationGracePeriodSeconds
    if container is not None:
        probe = {actions.REASON_STARTUP: container.startupProbe, actions.REASON_LIVENESS: container.livenessProbe}.get(
            reason
        )
        if probe is not None and probe.terminationGracePeriodSeconds is not None:
            grace = probe.terminationGracePeriodSeconds
    return grace if grace is not None else _DEFAULT_GRACE


def _lost_container(status: runtime.ContainerStatus) -> core.Container:
    """What is known of a container whose spec is gone: its name and its preStop hook."""
    hook = status.annotations.get(convert.PRE_STOP)
    if not hook:
        return core.Container(name=status.name)
    handler = msgspec.convert(json.loads(hook), core.LifecycleHandler)
    return core.Container(name=status.name, lifecycle=core.Lifecycle(preStop=handler))


class _TerminationOrdering:
    """Sidecars stop after the regular containers, in reverse order of their start."""

    def __init__(self, pod: core.Pod, running: set[str]) -> None:
        names = [one.name for one in pod.spec.initContainers if runtime_status.is_sidecar(one)]
        regular = [one.name for one in pod.spec.containers]
        self._gone: dict[str, asyncio.Event] = {name: asyncio.Event() for name in (*regular, *names) if name in running}
        self._before: dict[str, list[str]] = {
            name: [other for other in (*regular, *names[position + 1 :]) if other in running]
            for position, name in enumerate(names)
        }

    def must_wait(self, name: str) -> bool:
        return name in self._before

    async def wait(self, name: str, clock: clocks.Clock, seconds: float) -> None:
        """Until all that must stop earlier have stopped, or the time is up."""
        timer = clock.call_later(seconds, self._give_up)
        try:
            for other in self._before[name]:
                await self._gone[other].wait()
        finally:
            timer.cancel()

    def stopped(self, name: str) -> None:
        """That container has stopped (or could not be)."""
        if name in self._gone:
            self._gone[name].set()

    def _give_up(self) -> None:
        for event in self._gone.values():
            event.set()
