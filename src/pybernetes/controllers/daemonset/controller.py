"""The controller `daemonset`: a key is a DaemonSet; nodes and Pods lead to it.

Path: 12 controllers.
Upstream: pkg/controller/daemon/daemon_controller.go.
"""

from collections.abc import Sequence

from msgspec import structs

from pybernetes.aio import backoff, tasks
from pybernetes.api.types import apps, core, meta, selectors
from pybernetes.apimachinery import errors
from pybernetes.client import controller, expectations, informer, patches
from pybernetes.controllers import adoption, history, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.daemonset import placement, rollout

BURST_REPLICAS = 250
_BACKOFF = (1.0, 900.0)


class DaemonSetsController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("daemon-set-controller")
        self._clock = context.clock
        self._daemon_sets = context.informers.informer(apps.DaemonSet)
        self._nodes = context.informers.informer(core.Node)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_controller(self._pods)
        pod_control.index_by_node(self._pods)
        self._resource = client.resource(apps.DaemonSet)
        self._pod_resource = client.resource(core.Pod)
        revisions = context.informers.informer(apps.ControllerRevision)
        self._history = history.History(client, revisions, self._resource)
        self._recorder = context.recorder("daemonset-controller", client)
        self._control = pod_control.RealPodControl(client, self._recorder)
        self._expectations = expectations.ControllerExpectations(context.clock)
        self._failures: dict[tuple[str, str], tuple[backoff.Backoff, float]] = {}
        """By DaemonSet and node: how long a failed Pod is left alone, and until when."""
        workers = context.settings.concurrent_daemonset_syncs
        self.controller = controller.Controller("daemonset", self.sync_daemon_set, clock=context.clock, workers=workers)
        self.controller.watches(
            self._daemon_sets,
            on_add=self._enqueue,
            on_update=lambda old, new: self._enqueue(new),
            on_delete=self._daemon_set_deleted,
        )
        self.controller.watches(revisions, key=_owner_key)
        self.controller.watches(
            self._pods, on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )
        self.controller.watches(self._nodes, on_add=self._node_added, on_update=self._node_updated)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    # what the watches bring

    def _enqueue(self, daemon_set: apps.DaemonSet) -> None:
        self.controller.enqueue(meta.key(daemon_set))

    def _daemon_set_deleted(self, obj: informer.Deleted[apps.DaemonSet]) -> None:
        daemon_set = informer.last_known(obj)
        self._expectations.delete(meta.key(daemon_set))
        for key in [key for key in self._failures if key[0] == daemon_set.metadata.uid]:
            del self._failures[key]
        self._enqueue(daemon_set)

    def _resolve(self, pod: core.Pod) -> apps.DaemonSet | None:
        owner = meta.controller_of(pod)
        if owner is None or owner.kind != "DaemonSet":
            return None
        daemon_set = self._daemon_sets.get(pod.metadata.namespace, owner.name)
        return daemon_set if daemon_set is not None and daemon_set.metadata.uid == owner.uid else None

    def _enqueue_matching(self, pod: core.Pod) -> None:
        for daemon_set in self._daemon_sets.list(pod.metadata.namespace):
            if selectors.of_workload(daemon_set.spec.selector).matches(pod.metadata.labels):
                self._enqueue(daemon_set)

    def _pod_added(self, pod: core.Pod) -> None:
        if pod.metadata.deletionTimestamp is not None:
            self._pod_deleted(pod)
            return
        daemon_set = self._resolve(pod)
        if daemon_set is not None:
            self._expectations.creation_observed(meta.key(daemon_set))
            self._enqueue(daemon_set)
        elif meta.controller_of(pod) is None:
            self._enqueue_matching(pod)

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if new.metadata.deletionTimestamp is not None:
            self._pod_deleted(new)
            return
        before, after = self._resolve(old), self._resolve(new)
        if before is not None and before is not after:
            self._enqueue(before)
        if after is not None:
            self._enqueue(after)
        elif meta.controller_of(new) is None and old.metadata.labels != new.metadata.labels:
            self._enqueue_matching(new)

    def _pod_deleted(self, obj: informer.Deleted[core.Pod]) -> None:
        pod = informer.last_known(obj)
        daemon_set = self._resolve(pod)
        if daemon_set is not None:
            self._expectations.deletion_observed(meta.key(daemon_set), pod.metadata.uid)
            self._enqueue(daemon_set)

    def _node_added(self, node: core.Node) -> None:
        for daemon_set in self._daemon_sets.list():
            if placement.should_run(daemon_set, node)[0]:
                self._enqueue(daemon_set)

    def _node_updated(self, old: core.Node, new: core.Node) -> None:
        if (old.metadata.labels, old.spec.taints) == (new.metadata.labels, new.spec.taints):
            return
        for daemon_set in self._daemon_sets.list():
            if placement.should_run(daemon_set, old) != placement.should_run(daemon_set, new):
                self._enqueue(daemon_set)

    # the sync

    async def sync_daemon_set(self, key: str) -> float | None:
        """Bring one DaemonSet's Pods and status in line; returns when to look again, if time matters."""
        daemon_set = self._daemon_sets.by_key(key)
        if daemon_set is None:
            self._expectations.delete(key)
            return None
        if daemon_set.spec.selector in (None, meta.LabelSelector()):
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self._recorder.event(daemon_set, "Warning", "SelectingAll", text)
            return None
        if daemon_set.metadata.deletionTimestamp is not None:
            return None
        try:
            return await self._sync(key, daemon_set)
        except errors.StatusError as error:
            if pod_control.namespace_terminating(error):
                return None
            raise

    async def _sync(self, key: str, daemon_set: apps.DaemonSet) -> float | None:
        built = await self._construct_history(daemon_set)
        revision_hash = built.current.metadata.labels.get(placement.HASH_LABEL, "")
        if not self._expectations.satisfied(key):
            observed = daemon_set.status.observedGeneration
            return await self._update_status(daemon_set, revision_hash, observed)
        try:
            wait = await self._manage(daemon_set, revision_hash)
            if self._expectations.satisfied(key) and daemon_set.spec.updateStrategy.type == "RollingUpdate":
                await self._sync_nodes(
                    daemon_set, rollout.plan(await self._view(daemon_set, revision_hash)), revision_hash
                )
            live = {
                pod.metadata.labels.get(placement.HASH_LABEL, "")
                for pod in pod_control.controlled_by(self._pods, daemon_set.metadata.uid)
            }
            await self._history.truncate(built.old, live, daemon_set.spec.revisionHistoryLimit)
        finally:
            later = await self._update_status(daemon_set, revision_hash, daemon_set.metadata.generation)
        return min((one for one in (wait, later) if one is not None), default=None)

    async def _construct_history(self, daemon_set: apps.DaemonSet) -> history.Constructed:
        wanted = history.Wanted(daemon_set.spec.template, placement.HASH_LABEL, daemon_set.status.collisionCount)
        try:
            built = await self._history.construct(daemon_set, selectors.of_workload(daemon_set.spec.selector), wanted)
        except history.HashCollision:
            count = (daemon_set.status.collisionCount or 0) + 1
            await self._patch_status(daemon_set, structs.replace(daemon_set.status, collisionCount=count))
            raise
        for one in built.duplicates:
            await self._relabel(daemon_set, one, built.current)
            await self._history.delete(one)
        return built

    async def _relabel(
        self, daemon_set: apps.DaemonSet, old: apps.ControllerRevision, new: apps.ControllerRevision
    ) -> None:
        """Pods of a duplicate revision count as of the one that stays."""
        label = placement.HASH_LABEL
        patch = {"metadata": {"labels": {label: new.metadata.labels.get(label, "")}}}
        for pod in pod_control.controlled_by(self._pods, daemon_set.metadata.uid):
            if pod.metadata.labels.get(label) == old.metadata.labels.get(label):
                await self._pod_resource.patch(pod.metadata.name, patch, pod.metadata.namespace)

    async def _view(self, daemon_set: apps.DaemonSet, revision_hash: str) -> rollout.View:
        candidates = pod_control.controlled_by(self._pods, daemon_set.metadata.uid)
        candidates += pod_control.orphans(self._pods, daemon_set.metadata.namespace)
        can_adopt = adoption.recheck_deletion(self._resource, daemon_set)
        manager = adoption.ControllerRefManager(
            self._pod_resource, daemon_set, selectors.of_workload(daemon_set.spec.selector), can_adopt
        )
        pods = placement.by_node(await manager.claim(candidates))
        nodes = sorted(self._nodes.list(), key=lambda node: node.metadata.name)
        return rollout.View(daemon_set, nodes, pods, revision_hash, self._clock.now())

    async def _manage(self, daemon_set: apps.DaemonSet, revision_hash: str) -> float | None:
        view = await self._view(daemon_set, revision_hash)
        surge = rollout.max_surge(daemon_set, 1) > 0
        replaces = rollout.SurgeReplaces(view) if surge else placement.Replaces()
        changes = placement.plan(daemon_set, view.nodes, view.pods, surge=surge, replaces=replaces)
        waits = [self._kill_failed(daemon_set, pod, node, changes) for pod, node in changes.failed]
        for pod, node in changes.succeeded:
            text = f"Found succeeded daemon pod {meta.key(pod)} on node {node}, will try to delete it"
            self._recorder.event(daemon_set, "Normal", "SucceededDaemonPod", text)
            changes.delete.append(pod)
        await self._sync_nodes(daemon_set, changes, revision_hash)
        return min((one for one in waits if one is not None), default=None)

    def _kill_failed(
        self, daemon_set: apps.DaemonSet, pod: core.Pod, node: str, changes: placement.Changes
    ) -> float | None:
        """Delete a failed Pod, unless its node had one just now; then how long to wait."""
        now = self._clock.monotonic()
        delays, until = self._failures.get((daemon_set.metadata.uid, node), (backoff.Backoff(*_BACKOFF), 0.0))
        if until > now:
            return until - now
        self._failures[daemon_set.metadata.uid, node] = (delays, now + delays.next())
        text = f"Found failed daemon pod {meta.key(pod)} on node {node}, will try to kill it"
        self._recorder.event(daemon_set, "Warning", "FailedDaemonPod", text)
        changes.delete.append(pod)
        return None

    async def _sync_nodes(self, daemon_set: apps.DaemonSet, changes: placement.Changes, revision_hash: str) -> None:
        """Create and delete; raises the first failure after trying all."""
        nodes, doomed = changes.nodes[:BURST_REPLICAS], changes.delete[:BURST_REPLICAS]
        if not nodes and not doomed:
            return
        key = meta.key(daemon_set)
        self._expectations.expect(key, len(nodes), [pod.metadata.uid for pod in doomed])
        template = placement.pod_template(daemon_set, revision_hash)
        reference = meta.owner_reference(daemon_set)
        waiting = iter(nodes)

        async def create() -> None:
            one = placement.on_node(template, next(waiting))
            try:
                await self._control.create_pods(daemon_set.metadata.namespace, one, daemon_set, reference)
            except pod_control.FAILURES as error:
                if not pod_control.namespace_terminating(error):
                    raise
                self._expectations.creation_observed(key)

        created, failure = await pod_control.slow_start_batch(len(nodes), 1, create)
        self._expectations.lower(key, len(nodes) - created)
        await self._delete(daemon_set, key, doomed)
        if failure is not None:
            raise failure

    async def _delete(self, daemon_set: apps.DaemonSet, key: str, pods: Sequence[core.Pod]) -> None:
        async def delete(pod: core.Pod) -> None:
            try:
                await self._control.delete_pod(pod.metadata.namespace, pod.metadata.name, daemon_set)
            except pod_control.FAILURES as error:
                self._expectations.deletion_observed(key, pod.metadata.uid)
                if not isinstance(error, errors.NotFound):
                    raise

        await tasks.gather(*(delete(pod) for pod in pods), name=f"delete pods of {key}")

    async def _update_status(self, daemon_set: apps.DaemonSet, revision_hash: str, observed: int) -> float | None:
        view = await self._view(daemon_set, revision_hash)
        status = rollout.status(view, observed)
        await self._patch_status(daemon_set, status)
        if daemon_set.spec.minReadySeconds > 0 and status.numberReady != status.numberAvailable:
            return float(daemon_set.spec.minReadySeconds)
        return None

    async def _patch_status(self, daemon_set: apps.DaemonSet, status: apps.DaemonSetStatus) -> None:
        patch = patches.status(daemon_set, status)
        if not patch:
            return
        patch["metadata"] = {"uid": daemon_set.metadata.uid}
        name, namespace = daemon_set.metadata.name, daemon_set.metadata.namespace
        try:
            await self._resource.patch(name, patch, namespace, subresource="status")
        except errors.NotFound:
            return


def _owner_key(revision: apps.ControllerRevision) -> str | None:
    owner = meta.controller_of(revision)
    return f"{revision.metadata.namespace}/{owner.name}" if owner is not None and owner.kind == "DaemonSet" else None
