"""The three steps of a pod's life on this node, as the pod workers call them.

Path: 14 kubelet decides the actions, 16 status goes back.
Upstream: pkg/kubelet/kubelet.go (SyncPod, SyncTerminatingPod, SyncTerminatedPod), kubelet_pods.go.
"""

import dataclasses
import datetime
import logging
from collections.abc import Callable

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.api.types import core, meta, node
from pybernetes.apimachinery import timestamps
from pybernetes.client import rest
from pybernetes.kubelet import (
    actions,
    admission,
    cgroup_manager,
    measures,
    pleg,
    pod_conditions,
    pod_status,
    pod_workers,
    prober,
    recording,
    resize,
    runtime_manager,
    runtime_status,
    status,
)
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import runtime
from pybernetes.kubelet.volumes import manager, objects
from pybernetes.telemetry import traces

logger = logging.getLogger(__name__)

_FAILED_AGAIN = 10.0


@dataclasses.dataclass(slots=True)
class Parts:
    """What the steps work with; `volumes`, `cache` and `groups` are absent on simulated nodes."""

    client: rest.Client
    clock: clocks.Clock
    config: configs.KubeletConfig
    pleg: pleg.Pleg
    prober: prober.Prober
    events: recording.Events
    statuses: status.StatusManager
    volumes: manager.VolumeManager | None
    cache: objects.ObjectCache | None
    groups: cgroup_manager.PodGroups | None
    network_error: Callable[[], str]
    admit: Callable[[core.Pod], admission.Rejection | None]
    runtime_name: Callable[[], str]


class PodSync:
    """Implements `pod_workers.PodSyncer`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reasons: dict[str, dict[str, tuple[str, str]]] = {}
        self._resizing: dict[str, core.PodCondition] = {}
        self._first_seen: dict[str, float] = {}
        """when pods that have not run yet were seen first"""
        self.manager: runtime_manager.RuntimeManager
        self.handlers: dict[str, str] = {}
        """runtime handler by pod uid"""

    # -- SyncPod -----------------------------------------------------------------------------------------------------

    async def sync_pod(self, pod: core.Pod) -> pod_workers.Synced:
        """Report where the pod stands, then bring its containers to what the spec says."""
        traces.step(24, meta.key(pod))
        parts, uid = self._parts, pod.metadata.uid
        if pod.status.phase == "Pending":
            self._first_seen.setdefault(uid, parts.clock.monotonic())
        seen = await self._look(pod)
        parts.prober.add_pod(pod)
        parts.prober.update(pod, seen)
        observed = self._observe(pod, seen)
        api = self.generate(pod, seen)
        deadline = self._until_deadline(pod, api)
        if deadline is not None and deadline <= 0:
            api = self._deadline_exceeded(pod, api)
        parts.statuses.set(pod, api)
        if pod_conditions.is_terminal(api.phase):
            return pod_workers.Synced(terminal=True)
        network = parts.network_error()
        if network and not pod.spec.hostNetwork:
            parts.events.pod(pod, recording.WARNING, recording.NETWORK_NOT_READY, f"network is not ready: {network}")
            raise runtime_manager.SyncError(f"network is not ready: {network}", 1.0)
        secrets = await self._set_up(pod)
        result = await self.manager.sync_pod(pod, seen, secrets, observed)
        self._note_reasons(uid, result)
        await self.manager.remove_dead(seen, parts.config.max_containers_per_pod)
        again = deadline
        if result.acted or result.error:
            if await self._report_again(pod) and not result.error:
                again = 0.0
        if result.error:
            logger.info("sync of %s/%s: %s", pod.metadata.namespace, pod.metadata.name, result.error)
            wait = result.retry_after if result.retry_after is not None else _FAILED_AGAIN
            again = min(wait, deadline) if deadline is not None else wait
        return pod_workers.Synced(again_after=again)

    async def _look(self, pod: core.Pod, *, ending: bool = False) -> runtime_status.PodStatus:
        """The runtime's view, with the node's addresses on its network; a pod that ends keeps those it had."""
        seen = await self._parts.pleg.pod_status(pod.metadata.uid)
        if seen.ips or not (ending or pod.spec.hostNetwork):
            return seen
        told = self._parts.statuses.get(pod.metadata.uid) or pod.status
        ips = tuple(one.ip for one in told.podIPs)
        if not ips and pod.spec.hostNetwork and self._parts.config.node_ip:
            ips = (self._parts.config.node_ip,)
        return dataclasses.replace(seen, ips=ips)

    def _observe(self, pod: core.Pod, seen: runtime_status.PodStatus) -> actions.Observations:
        """What decides on restarts and resizes; whether a resize is under way, or must wait, goes into the status."""
        results, uid = self._parts.prober.results, pod.metadata.uid
        actuated = self.manager.actuated
        resize.seed(pod, seen, actuated)
        self._resizing.pop(uid, None)
        if resize.wanted(pod, seen, actuated):
            rejection = self._parts.admit(pod)
            if rejection is None:
                self._resizing[uid] = resize.condition(pod, resize.IN_PROGRESS)
            else:
                message = rejection.message.removeprefix("Pod was rejected: ")
                reason = "Infeasible" if rejection.hopeless else "Deferred"
                self._resizing[uid] = resize.condition(pod, resize.PENDING, reason, message)
                actuated = {}
        return actions.Observations(results[prober.Kind.LIVENESS], results[prober.Kind.STARTUP], actuated)

    async def _set_up(self, pod: core.Pod) -> list[core.Secret]:
        """Directories, volumes, pull secrets and the runtime handler."""
        parts, uid = self._parts, pod.metadata.uid
        if pod.spec.runtimeClassName and uid not in self.handlers:
            found = await parts.client.resource(node.RuntimeClass).get(pod.spec.runtimeClassName)
            self.handlers[uid] = found.handler
        if parts.groups is not None:
            try:
                parts.groups.ensure(pod)
            except OSError as failure:
                message = f"unable to ensure pod container exists: {failure}"
                parts.events.pod(pod, recording.WARNING, recording.FAILED_GROUP, message)
                raise
        if parts.volumes is None or parts.cache is None:
            return []
        for name in ("volumes", "plugins", "containers"):
            (parts.config.pod_dir(uid) / name).mkdir(parents=True, exist_ok=True, mode=0o750)
        await parts.cache.register(pod)
        if not parts.volumes.is_mounted(uid):
            try:
                await parts.volumes.mount(pod)
            except manager.VolumeError as failure:
                raise runtime_manager.SyncError(str(failure), failure.retry_after) from failure
        names = [one.name for one in pod.spec.imagePullSecrets if one.name]
        secrets = await parts.cache.get_all(core.Secret, pod.metadata.namespace, names)
        if missing := [name for name in names if name not in secrets]:
            message = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            message += "attempting to pull the image may not succeed."
            parts.events.pod(pod, recording.WARNING, recording.PULL_SECRET_MISSING, message)
        return list(secrets.values())

    def _note_reasons(self, uid: str, result: runtime_manager.SyncResult) -> None:
        reasons = self._reasons.setdefault(uid, {})
        for name in result.started:
            reasons.pop(name, None)
        reasons.update(result.reasons)

    async def _report_again(self, pod: core.Pod) -> bool:
        """Tell the API what has just been done; whether there is more to do now (what follows a sidecar's start)."""
        seen = await self._look(pod)
        self._parts.prober.update(pod, seen)
        observed = self._observe(pod, seen)
        api = self.generate(pod, seen)
        if pod_conditions.is_terminal(api.phase):
            return True
        if api.phase == "Running" and (begin := self._first_seen.pop(pod.metadata.uid, None)) is not None:
            measures.pod_start_duration.observe(self._parts.clock.monotonic() - begin)
        self._parts.statuses.set(pod, api)
        todo = actions.compute_pod_actions(pod, seen, observed)
        return not todo.nothing_to_do

    def sandbox_ready(self, pod: core.Pod) -> None:
        """The network is there: say so before images are pulled.

        Upstream: OnPodSandboxReady.
        """
        old = self._parts.statuses.get(pod.metadata.uid)
        if old is None:
            return
        conditions = tuple(
            msgspec.structs.replace(one, status="True", reason="", message="")
            if one.type == pod_conditions.READY_TO_START
            else one
            for one in old.conditions
        )
        self._parts.statuses.set(pod, msgspec.structs.replace(old, conditions=conditions))

    # -- status ------------------------------------------------------------------------------------------------------

    def generate(self, pod: core.Pod, seen: runtime_status.PodStatus, *, terminal: bool = False) -> core.PodStatus:
        """The API status that goes with what the runtime shows."""
        parts, uid = self._parts, pod.metadata.uid
        around = pod_status.Surroundings(
            reasons=self._reasons.get(uid, {}),
            probes=parts.prober.view(uid),
            host_ips=(parts.config.node_ip,) if parts.config.node_ip else (),
            actuated=self.manager.actuated,
            resize=(self._resizing[uid],) if uid in self._resizing else (),
            runtime_name=parts.runtime_name(),
        )
        return pod_status.generate(pod, seen, parts.statuses.get(uid) or pod.status, around, terminal=terminal)

    def _until_deadline(self, pod: core.Pod, api: core.PodStatus) -> float | None:
        """Seconds until activeDeadlineSeconds have passed since the pod started."""
        limit = pod.spec.activeDeadlineSeconds
        if limit is None:
            return None
        if not api.startTime:
            return float(limit)
        start = timestamps.parse(api.startTime)
        return (start + datetime.timedelta(seconds=limit) - self._parts.clock.now()).total_seconds()

    def _deadline_exceeded(self, pod: core.Pod, api: core.PodStatus) -> core.PodStatus:
        message = "Pod was active on the node longer than the specified deadline"
        self._parts.events.pod(pod, recording.NORMAL, "DeadlineExceeded", message)
        return msgspec.structs.replace(api, phase="Failed", reason="DeadlineExceeded", message=message)

    # -- SyncTerminatingPod ------------------------------------------------------------------------------------------

    async def sync_terminating_pod(self, pod: core.Pod, grace: int | None, kill: pod_workers.Kill | None) -> None:
        """Stop all containers and report how they ended."""
        traces.step(31, meta.key(pod))
        parts, uid = self._parts, pod.metadata.uid
        seen = await self._look(pod, ending=True)
        api = self.generate(pod, seen)
        if kill is not None and kill.reason:
            api = _killed(api, kill)
        parts.statuses.set(pod, api)
        parts.prober.stop_liveness_and_startup(uid)
        try:
            await self.manager.kill_pod(pod, seen, grace)
        except runtime.CriError as failure:
            parts.events.pod(pod, recording.WARNING, recording.FAILED_KILL, f"error killing pod: {failure}")
            raise
        parts.prober.remove_pod(uid)
        stopped = await self._look(pod, ending=True)
        still = [one.name for one in stopped.containers if one.state is runtime.ContainerState.RUNNING]
        if still:
            raise runtime_manager.SyncError(f"containers still running after they were stopped: {still}", 0.1)
        parts.statuses.set(pod, self.generate(pod, stopped, terminal=True))

    # -- SyncTerminatedPod -------------------------------------------------------------------------------------------

    async def sync_terminated_pod(self, pod: core.Pod) -> None:
        """Take the volumes away and report the end."""
        traces.step(32, meta.key(pod))
        parts, uid = self._parts, pod.metadata.uid
        seen = await self._look(pod, ending=True)
        parts.statuses.set(pod, self.generate(pod, seen, terminal=True))
        if parts.volumes is not None and parts.cache is not None:
            await parts.volumes.unmount(uid)
            await parts.cache.unregister(uid)
        if parts.groups is not None:
            parts.groups.remove(pod)
        parts.statuses.terminate(pod)

    def forget(self, uid: str) -> None:
        """Nothing of the pod is left."""
        self._reasons.pop(uid, None)
        self._first_seen.pop(uid, None)
        self._resizing.pop(uid, None)
        self.handlers.pop(uid, None)
        known = self._parts.pleg.statuses.get(uid)
        self.manager.forget(uid, [one.id for one in known.containers] if known is not None else [])


def _killed(api: core.PodStatus, kill: pod_workers.Kill) -> core.PodStatus:
    conditions = api.conditions
    if kill.condition is not None:
        conditions = (*(one for one in conditions if one.type != kill.condition.type), kill.condition)
    return msgspec.structs.replace(
        api, phase=kill.phase, reason=kill.reason, message=kill.message, conditions=conditions
    )
