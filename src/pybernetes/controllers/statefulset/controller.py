"""The controller `statefulset`: a key is a StatefulSet; its Pods and revisions lead to it.

Path: 12 controllers.
Upstream: pkg/controller/statefulset/stateful_set.go.
"""

import msgspec

from pybernetes.api.types import apps, core, meta, selectors
from pybernetes.apimachinery import errors, labels
from pybernetes.client import controller, informer, patches
from pybernetes.controllers import adoption, history, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.statefulset import identity, pods, update

STALE = 0.05
"""Seconds until another look at a cache that is behind our own writes."""


class StatefulSetController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("statefulset-controller")
        self._clock = context.clock
        self._sets = context.informers.informer(apps.StatefulSet)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_controller(self._pods)
        claims = context.informers.informer(core.PersistentVolumeClaim)
        revisions = context.informers.informer(apps.ControllerRevision)
        self._resource = client.resource(apps.StatefulSet)
        self._pod_resource = client.resource(core.Pod)
        self._history = history.History(client, revisions, self._resource)
        recorder = context.recorder("statefulset-controller", client)
        self._control = pods.StatefulPodControl(client, claims, recorder)
        workers = context.settings.concurrent_statefulset_syncs
        self.controller = controller.Controller(
            "statefulset", self.sync_stateful_set, clock=context.clock, workers=workers
        )
        self.controller.watches(self._sets)
        self.controller.watches(claims, key=None)
        self.controller.watches(revisions, key=_owner_key)
        self.controller.watches(
            self._pods, on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_deleted
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    # what the watches bring

    def _enqueue_owner(self, pod: core.Pod) -> bool:
        owner = meta.controller_of(pod)
        if owner is None:
            return False
        if owner.kind == "StatefulSet":
            self.controller.enqueue(f"{pod.metadata.namespace}/{owner.name}")
        return True

    def _enqueue_matching(self, pod: core.Pod) -> None:
        for one in self._sets.list(pod.metadata.namespace):
            if identity.is_member(one, pod) and selectors.of_workload(one.spec.selector).matches(pod.metadata.labels):
                self.controller.enqueue(meta.key(one))

    def _pod_seen(self, pod: core.Pod) -> None:
        if not self._enqueue_owner(pod):
            self._enqueue_matching(pod)

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if meta.controller_of(old) != meta.controller_of(new):
            self._enqueue_owner(old)
            self._pod_seen(new)
        elif not self._enqueue_owner(new) and old.metadata.labels != new.metadata.labels:
            self._enqueue_matching(new)

    def _pod_deleted(self, obj: informer.Deleted[core.Pod]) -> None:
        self._enqueue_owner(informer.last_known(obj))

    # the sync

    async def sync_stateful_set(self, key: str) -> float | None:
        """Bring one set's Pods and status in line; returns when to look again, if time matters."""
        stateful_set = self._sets.by_key(key)
        if stateful_set is None:
            return None
        try:
            return await self._sync_revisions(stateful_set)
        except errors.StatusError as error:
            if pod_control.namespace_terminating(error):
                return None
            raise

    async def _sync_revisions(self, stateful_set: apps.StatefulSet) -> float | None:
        selector = selectors.of_workload(stateful_set.spec.selector)
        members = await self._claim(stateful_set, selector)
        wanted = history.Wanted(
            stateful_set.spec.template, identity.HASH_LABEL, stateful_set.status.collisionCount or 0
        )
        try:
            built = await self._history.construct(stateful_set, selector, wanted)
        except history.HashCollision:
            count = (stateful_set.status.collisionCount or 0) + 1
            patch = {"metadata": {"uid": stateful_set.metadata.uid}, "status": {"collisionCount": count}}
            name, namespace = stateful_set.metadata.name, stateful_set.metadata.namespace
            await self._resource.patch(name, patch, namespace, subresource="status")
            raise
        return await self._sync(stateful_set, members, built)

    async def _sync(
        self, stateful_set: apps.StatefulSet, members: list[core.Pod], built: history.Constructed
    ) -> float | None:
        everything = (*built.old, *built.duplicates, built.current)
        named = stateful_set.status.currentRevision
        current = next((one for one in everything if one.metadata.name == named), built.current)
        work = update.Pass(stateful_set, _revision(current), _revision(built.current), self._control, self._clock.now())
        wait = None
        try:
            await work.run(members)
        except errors.AlreadyExists:
            # The cache does not show a Pod that we have just made.
            wait = STALE
        finally:
            status = work.status(members, stateful_set.status.collisionCount or 0)
            await self._update_status(stateful_set, status)
        live = {current.metadata.name, built.current.metadata.name, *map(identity.revision_of, members)}
        old = [one for one in everything if one.metadata.name not in live]
        await self._history.truncate(old, live, stateful_set.spec.revisionHistoryLimit)
        minimum = stateful_set.spec.minReadySeconds
        if wait is None and minimum > 0 and status.readyReplicas != status.availableReplicas:
            now = self._clock.now()
            waits = [left for pod in members if (left := pod_control.available_in(pod, minimum, now))]
            wait = min(waits, default=float(minimum))
        return wait

    async def _claim(self, stateful_set: apps.StatefulSet, selector: labels.Selector) -> list[core.Pod]:
        candidates = pod_control.controlled_by(self._pods, stateful_set.metadata.uid)
        candidates += [
            pod
            for pod in pod_control.orphans(self._pods, stateful_set.metadata.namespace)
            if identity.is_member(stateful_set, pod)
        ]
        can_adopt = adoption.recheck_deletion(self._resource, stateful_set)
        manager = adoption.ControllerRefManager(self._pod_resource, stateful_set, selector, can_adopt)
        return await manager.claim(candidates)

    async def _update_status(self, stateful_set: apps.StatefulSet, status: apps.StatefulSetStatus) -> None:
        patch = patches.status(stateful_set, status)
        if not patch:
            return
        patch["metadata"] = {"uid": stateful_set.metadata.uid}
        name, namespace = stateful_set.metadata.name, stateful_set.metadata.namespace
        try:
            await self._resource.patch(name, patch, namespace, subresource="status")
        except errors.NotFound:
            return


def _revision(revision: apps.ControllerRevision) -> update.Revision:
    template = {key: value for key, value in revision.data["spec"]["template"].items() if key != "$patch"}
    return update.Revision(revision.metadata.name, msgspec.convert(template, core.PodTemplateSpec))


def _owner_key(revision: apps.ControllerRevision) -> str | None:
    owner = meta.controller_of(revision)
    return f"{revision.metadata.namespace}/{owner.name}" if owner is not None and owner.kind == "StatefulSet" else None
