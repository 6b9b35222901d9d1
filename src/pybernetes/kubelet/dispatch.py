"""What happens when a pod, its containers, or what it uses changes: who is told, and what goes when a pod has gone.

Path: 14 kubelet decides the actions.
Upstream: pkg/kubelet/kubelet.go (HandlePodAdditions, HandlePodRemoves), kubelet_pods.go (HandlePodCleanups).
"""

import logging

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.aio import tasks
from pybernetes.api.types import core, meta
from pybernetes.apimachinery import errors
from pybernetes.client import informer as informers
from pybernetes.client import transport
from pybernetes.kubelet import (
    admission,
    garbage,
    node_status,
    pleg,
    pod_conditions,
    pod_sources,
    pod_sync,
    pod_workers,
    recording,
    static_pods,
    status,
)
from pybernetes.kubelet import config as configs
from pybernetes.kubelet.cri import runtime
from pybernetes.kubelet.volumes import manager
from pybernetes.telemetry import traces

logger = logging.getLogger(__name__)


class Dispatcher:
    """Knows all pods of the node. Its parts are filled in by the kubelet's wiring, as they in turn call back here."""

    pods: pod_sources.ApiSource
    services: informers.Informer[core.Service] | None = None
    workers: pod_workers.PodWorkers
    pleg: pleg.Pleg
    statuses: status.StatusManager
    mirrors: static_pods.Mirrors
    node: node_status.NodeStatus
    events: recording.Events
    volumes: manager.VolumeManager | None = None
    sync: pod_sync.PodSync

    def __init__(
        self,
        group: tasks.TaskGroup,
        clock: clocks.Clock,
        config: configs.KubeletConfig,
        collector: garbage.GarbageCollector,
    ) -> None:
        self.group = group
        self.clock = clock
        self.config = config
        self.settled = False
        """Whether all pods and manifests have been seen: only then what is unknown may be removed."""
        self._garbage = collector
        self._finished: set[str] = set()
        self._looked_again: dict[str, bool] = {}
        """Pods that do not fit the node's labels as we knew them: whether these have been read anew since."""
        self._successors: dict[str, core.Pod] = {}
        """static pods that wait until the one before them has gone, by namespace/name"""

    def pod_set(self, pod: core.Pod) -> None:
        """A pod of this node appeared or changed."""
        if self.services is not None and not self.services.has_synced:
            return  # variables of services could not be made yet; `_start` hands over all pods afterwards
        uid = pod.metadata.uid
        if self.workers.get(uid) is None and not self._admit(pod):
            return
        traces.step(23, meta.key(pod), rv=pod.metadata.resourceVersion)
        self.workers.update(pod)
        self.statuses.reconcile(uid)
        if self.volumes is not None and self.volumes.shows_metadata_of(pod):
            self.group.start(self.volumes.refresh(uid, pod), f"refresh volumes of {pod.metadata.name}")

    def _admit(self, pod: core.Pod) -> bool:
        if pod.metadata.deletionTimestamp is not None or pod_conditions.is_terminal(pod.status.phase):
            return True
        if pod.status.containerStatuses and any(one.containerID for one in pod.status.containerStatuses):
            return True  # it was admitted before this kubelet started
        rejection = self.rejection(pod)
        if rejection is None:
            return True
        if rejection.reason == admission.NODE_AFFINITY and not self._looked_again.get(pod.metadata.uid):
            if pod.metadata.uid not in self._looked_again:
                self._looked_again[pod.metadata.uid] = False
                self.group.start(self._admit_again(pod), f"admit {pod.metadata.name}")
            return False
        self.events.pod(pod, recording.WARNING, rejection.reason, rejection.message)
        rejected = msgspec.structs.replace(
            pod.status, phase="Failed", reason=rejection.reason, message=rejection.message
        )
        self.statuses.set(pod, rejected)
        return False

    async def _admit_again(self, pod: core.Pod) -> None:
        """The scheduler may have heard of new labels sooner than we."""
        try:
            await self.node.read()
        except (errors.StatusError, transport.TransportError) as failure:
            logger.warning("labels of this node: %s (judging %s by what is known)", failure, pod.metadata.name)
        uid = pod.metadata.uid
        self._looked_again[uid] = True
        if (current := self.pods.get(uid)) is not None:
            self.pod_set(current)

    def rejection(self, pod: core.Pod) -> admission.Rejection | None:
        """Why the pod, as its spec is now, does not fit beside the others; None when it does."""
        others = [one for one in self.active_pods() if one.metadata.uid != pod.metadata.uid]
        return admission.admit(pod, others, self.node.allocatable, self._node_labels())

    def _node_labels(self) -> dict[str, str]:
        return {"kubernetes.io/os": "linux", **self.node.labels}

    def pod_removed(self, pod: core.Pod) -> None:
        """A pod of this node is gone from the API."""
        uid = pod.metadata.uid
        self._looked_again.pop(uid, None)
        worker = self.workers.get(uid)
        if worker is None:
            self.statuses.forget(uid)
            return
        self.workers.removed(pod)
        if uid in self._finished:
            self._forget(pod)

    def static_set(self, pod: core.Pod) -> None:
        """A manifest appeared; if it is a new version of one that still runs, that ends first."""
        key = meta.key(pod)
        self._successors.pop(key, None)
        if any(meta.key(one) == key and one.metadata.uid != pod.metadata.uid for one in self.workers.pods()):
            self._successors[key] = pod
            return
        self.mirrors.static[pod.metadata.uid] = pod
        self.workers.update(pod)
        self.group.start(self._reconcile_mirror(pod), f"mirror of {pod.metadata.name}")

    def static_removed(self, pod: core.Pod) -> None:
        """A manifest is gone."""
        if self._successors.get(meta.key(pod)) is pod:
            del self._successors[meta.key(pod)]
        self.mirrors.static.pop(pod.metadata.uid, None)
        self.pod_removed(pod)

    def mirror_changed(self, mirror: core.Pod, exists: bool) -> None:
        """A mirror was made, changed or removed in the API."""
        key = meta.key(mirror)
        if exists:
            self.mirrors.seen[key] = mirror
        else:
            self.mirrors.seen.pop(key, None)
        pod = self.mirrors.static_of(mirror)
        if pod is None:
            if exists and self.settled:
                self.group.start(self._delete_mirror(mirror), f"delete mirror {key}")
            return
        self.group.start(self._reconcile_mirror(pod), f"mirror of {pod.metadata.name}")
        if exists:
            self.statuses.reconcile(pod.metadata.uid)

    async def _reconcile_mirror(self, pod: core.Pod) -> None:
        try:
            await self.mirrors.reconcile(pod)
        except (errors.StatusError, transport.TransportError) as failure:
            logger.warning("mirror of %s: %s (housekeeping will retry)", pod.metadata.name, failure)

    async def _delete_mirror(self, mirror: core.Pod) -> None:
        try:
            await self.mirrors.delete(mirror)
        except (errors.StatusError, transport.TransportError) as failure:
            logger.warning("deleting mirror %s: %s (housekeeping will retry)", mirror.metadata.name, failure)

    def api_pod(self, uid: str) -> core.Pod | None:
        """The API's object for a pod that runs here: itself, or the mirror of a static one."""
        static = self.mirrors.static.get(uid)
        return self.mirrors.of(static) if static is not None else self.pods.get(uid)

    def worker_finished(self, pod: core.Pod) -> None:
        """Nothing of the pod runs any more."""
        uid = pod.metadata.uid
        self._finished.add(uid)
        if self.pods.get(uid) is None and uid not in self.mirrors.static:
            self._forget(pod)

    def _forget(self, pod: core.Pod) -> None:
        uid = pod.metadata.uid
        mirror = self.mirrors.of(pod) if static_pods.is_static(pod) else None
        if mirror is not None and self.mirrors.static_of(mirror) is None:
            self.group.start(self._delete_mirror(mirror), f"delete mirror of {pod.metadata.name}")
        self._finished.discard(uid)
        self.workers.forget(uid)
        if (successor := self._successors.pop(meta.key(pod), None)) is not None:
            self.static_set(successor)
        self.statuses.forget(uid)
        self.sync.forget(uid)
        self.pleg.forget(uid)
        self.group.start(self._remove(pod), f"remove {pod.metadata.name}")

    async def _remove(self, pod: core.Pod) -> None:
        try:
            await self._garbage.remove_pod(pod.metadata.uid, pod.metadata.namespace, pod.metadata.name)
        except (runtime.CriError, OSError) as failure:
            logger.warning("removing what is left of %s: %s (housekeeping will retry)", pod.metadata.name, failure)

    def pod_changed(self, uid: str) -> None:
        """The runtime or a probe has news about a pod."""
        self.workers.wake(uid)

    def runtime_recovered(self) -> None:
        """The runtime answers again: the node may be ready, and every pod may have news."""
        self.node.hurry.set()
        for uid in self.workers.known():
            self.workers.wake(uid)

    def object_changed(self, uid: str) -> None:
        """A ConfigMap or Secret that a pod uses changed."""
        if self.volumes is not None and self.volumes.is_mounted(uid):
            self.group.start(self.volumes.refresh(uid), f"refresh volumes of {uid}")
        self.workers.wake(uid)  # a container may be waiting for it

    def all_pods(self) -> list[core.Pod]:
        """Every pod of this node, static ones too, without their mirrors."""
        return [*self.pods.all(), *self.mirrors.static.values()]

    def active_pods(self) -> list[core.Pod]:
        """Those whose containers may run."""
        return [one for one in self.all_pods() if self.workers.could_have_running_containers(one.metadata.uid)]

    def find_pod(self, namespace: str, name: str) -> core.Pod | None:
        """A pod by name; a static one for the name of its mirror."""
        found = self.pods.by_name(namespace, name)
        if found is not None and static_pods.is_mirror(found):
            return self.mirrors.static_of(found)
        return found

    def could_run(self, uid: str) -> bool:
        """Whether containers of the pod may still be running."""
        return self.workers.could_have_running_containers(uid)

    def termination_requested(self, uid: str) -> bool:
        """Whether the pod is on its way out."""
        return self.workers.termination_requested(uid)

    # -- housekeeping ------------------------------------------------------------------------------------------------

    async def housekeeping(self) -> None:
        """Clean up now and then, until cancelled."""
        while True:
            try:
                await self._clean_up()
            except (runtime.CriError, OSError) as failure:
                logger.warning("housekeeping: %s", failure)
            await self.clock.sleep(self.config.housekeeping_interval, upkeep="housekeeping")

    def _is_live(self, uid: str) -> bool:
        """Whether that pod is this node's, or on its way out; asked at the very moment something would be deleted."""
        return self.workers.get(uid) is not None or self.pods.get(uid) is not None

    async def _clean_up(self) -> None:
        """End pods that nobody asked for, then collect what is left over."""
        for uid, lost in (await self.pleg.relist()).items():
            if not self._is_live(uid):
                logger.info("pod %s/%s is not known to the API: ending it", lost.namespace, lost.name)
                await self._garbage.remove_pod(uid, lost.namespace, lost.name)
        await self._garbage.collect(self._is_live, self._finished)
        for pod in list(self.mirrors.static.values()):
            await self._reconcile_mirror(pod)
        for mirror in list(self.mirrors.seen.values()):
            if self.mirrors.static_of(mirror) is None:
                await self._delete_mirror(mirror)
        if not self.config.simulated:
            await self.free_disk()

    async def free_disk(self) -> int:
        """Remove images that nobody uses if the disk is too full; bytes freed."""
        freed = await self._garbage.collect_images()
        if freed:
            logger.info("image garbage collection freed %d bytes", freed)
        return freed
