"""The controller `deployment`: hears of Deployments, their ReplicaSets and (for Recreate) the end of their Pods.

Path: 12 controllers.
Upstream: pkg/controller/deployment/deployment_controller.go.
"""

from msgspec import structs

from pybernetes.api.types import apps, core, meta, selectors
from pybernetes.apimachinery import errors
from pybernetes.client import controller, informer, patches
from pybernetes.controllers import adoption, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.controllers.deployment import reconciler, rollout

MAX_RETRIES = 15


class DeploymentController:
    """See the module."""

    def __init__(self, context: ControllerContext) -> None:
        client = context.client_for("deployment-controller")
        self._deployments = context.informers.informer(apps.Deployment)
        self._replica_sets = context.informers.informer(apps.ReplicaSet)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_controller(self._pods)
        self._writers = reconciler.Writers(
            client.resource(apps.Deployment),
            client.resource(apps.ReplicaSet),
            context.recorder("deployment-controller", client),
            context.clock,
        )
        self.controller = controller.Controller(
            "deployment",
            self.sync_deployment,
            clock=context.clock,
            workers=context.settings.concurrent_deployment_syncs,
            max_retries=MAX_RETRIES,
        )
        self.controller.watches(self._deployments)
        self.controller.watches(
            self._replica_sets,
            on_add=self._replica_set_seen,
            on_update=self._replica_set_updated,
            on_delete=self._replica_set_deleted,
        )
        self.controller.watches(self._pods, on_delete=self._pod_deleted)

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    # what the watches bring

    def _enqueue(self, deployment: apps.Deployment) -> None:
        self.controller.enqueue(meta.key(deployment))

    def _replica_set_seen(self, replica_set: apps.ReplicaSet) -> None:
        owner = meta.controller_of(replica_set)
        if owner is not None:
            self._enqueue_owner(replica_set.metadata.namespace, owner)
        elif replica_set.metadata.deletionTimestamp is None:
            self._enqueue_matching(replica_set)

    def _replica_set_updated(self, old: apps.ReplicaSet, new: apps.ReplicaSet) -> None:
        before, after = meta.controller_of(old), meta.controller_of(new)
        if before is not None and before != after:
            self._enqueue_owner(old.metadata.namespace, before)
        if after is not None:
            self._enqueue_owner(new.metadata.namespace, after)
        elif before is not None or old.metadata.labels != new.metadata.labels:
            self._enqueue_matching(new)

    def _replica_set_deleted(self, obj: informer.Deleted[apps.ReplicaSet]) -> None:
        replica_set = informer.last_known(obj)
        owner = meta.controller_of(replica_set)
        if owner is not None:
            self._enqueue_owner(replica_set.metadata.namespace, owner)

    def _pod_deleted(self, obj: informer.Deleted[core.Pod]) -> None:
        """Recreate waits for the last old Pod to be gone."""
        pod = informer.last_known(obj)
        owner = meta.controller_of(pod)
        if owner is None or owner.kind != "ReplicaSet":
            return
        replica_set = self._replica_sets.get(pod.metadata.namespace, owner.name)
        above = meta.controller_of(replica_set) if replica_set is not None else None
        deployment = self._resolve(pod.metadata.namespace, above) if above is not None else None
        if deployment is not None and not rollout.is_rolling_update(deployment):
            self._enqueue(deployment)

    def _resolve(self, namespace: str, owner: meta.OwnerReference) -> apps.Deployment | None:
        if owner.kind != "Deployment":
            return None
        deployment = self._deployments.get(namespace, owner.name)
        return deployment if deployment is not None and deployment.metadata.uid == owner.uid else None

    def _enqueue_owner(self, namespace: str, owner: meta.OwnerReference) -> None:
        deployment = self._resolve(namespace, owner)
        if deployment is not None:
            self._enqueue(deployment)

    def _enqueue_matching(self, replica_set: apps.ReplicaSet) -> None:
        if not replica_set.metadata.labels:
            return
        for deployment in self._deployments.list(replica_set.metadata.namespace):
            if selectors.of_workload(deployment.spec.selector).matches(replica_set.metadata.labels):
                self._enqueue(deployment)

    # the sync

    async def sync_deployment(self, key: str) -> float | None:
        """Bring one Deployment a step further."""
        deployment = self._deployments.by_key(key)
        if deployment is None:
            return None
        if deployment.spec.selector in (None, meta.LabelSelector()):
            await self._refuse(deployment)
            return None
        try:
            return await self._sync(deployment)
        except errors.StatusError as error:
            if pod_control.namespace_terminating(error):
                return None
            raise

    async def _sync(self, deployment: apps.Deployment) -> float | None:
        replica_sets = await self._claim(deployment)
        work = reconciler.Reconciler(self._writers, deployment, replica_sets)
        if deployment.metadata.deletionTimestamp is not None:
            await work.status_only()
            return None
        await work.check_paused()
        if deployment.spec.paused or rollout.is_scaling_event(deployment, replica_sets):
            await work.sync()
            return None
        if rollout.is_rolling_update(deployment):
            return await work.rolling()
        uids = [one.metadata.uid for one in replica_sets]
        return await work.recreate({uid: pod_control.controlled_by(self._pods, uid) for uid in uids})

    async def _refuse(self, deployment: apps.Deployment) -> None:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        self._writers.recorder.event(deployment, "Warning", "SelectingAll", text)
        if deployment.status.observedGeneration < deployment.metadata.generation:
            status = structs.replace(deployment.status, observedGeneration=deployment.metadata.generation)
            patch = patches.status(deployment, status, resource_version=True)
            name, namespace = deployment.metadata.name, deployment.metadata.namespace
            await self._writers.deployments.patch(name, patch, namespace, subresource="status")

    async def _claim(self, deployment: apps.Deployment) -> list[apps.ReplicaSet]:
        can_adopt = adoption.recheck_deletion(self._writers.deployments, deployment)
        manager = adoption.ControllerRefManager(
            self._writers.replica_sets, deployment, selectors.of_workload(deployment.spec.selector), can_adopt
        )
        return await manager.claim(self._replica_sets.list(deployment.metadata.namespace))
