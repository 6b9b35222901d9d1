"""One sync of one Deployment: carries out what the pure modules decide, and keeps what it learns on the way.

Every write names the resourceVersion it was decided on: a decision made on a stale cache fails and is made again.
Upstream: pkg/controller/deployment (sync.go, rolling.go, recreate.go).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from pybernetes.aio import clock as clocks
from pybernetes.api.types import apps, core
from pybernetes.apimachinery import errors
from pybernetes.client import events, patches, rest
from pybernetes.controllers import pod_control
from pybernetes.controllers.deployment import progress, recreate, revisions, rollout
from pybernetes.telemetry import logs

logger = logs.get("deployment")


@dataclasses.dataclass(frozen=True, slots=True)
class Writers:
    """What a sync writes with."""

    deployments: rest.Resource[apps.Deployment]
    replica_sets: rest.Resource[apps.ReplicaSet]
    recorder: events.EventRecorder
    clock: clocks.Clock


class Reconciler:
    """Made for one sync; `deployment` is always as last seen, `replica_sets` are those that it owns."""

    def __init__(self, writers: Writers, deployment: apps.Deployment, replica_sets: Sequence[apps.ReplicaSet]) -> None:
        self._writers = writers
        self.deployment = deployment
        self._new = revisions.find_new(deployment, replica_sets)
        self._old = revisions.find_old(self._new, replica_sets)

    async def status_only(self) -> None:
        """For a Deployment that is being deleted: count, change nothing."""
        await self._sync_revision()
        await self._write_status(self._calculated())

    async def check_paused(self) -> None:
        """Say that the Deployment is paused or resumed, so that the pause does not count as lack of progress."""
        new = progress.paused_condition(self.deployment, self._writers.clock.now())
        if new is not None:
            conditions = progress.with_condition(self.deployment.status.conditions, new)
            await self._write_status(structs.replace(self.deployment.status, conditions=conditions))

    async def sync(self) -> None:
        """A Deployment that was scaled or is paused: give each ReplicaSet its share."""
        await self._sync_revision()
        for step in rollout.scale(self.deployment, self._new, self._old):
            await self._scale(step)
        if self.deployment.spec.paused:
            await self._cleanup()
        await self._write_status(self._calculated())

    async def rolling(self) -> float | None:
        """Replace Pods bit by bit."""
        new = await self._sync_revision() or await self._create_new()
        step = rollout.scale_new(self.deployment, new, self._old)
        if step is not None:
            self._new = await self._scale(step)
        else:
            steps = rollout.scale_old(self.deployment, new, self._old)
            for step in steps:
                await self._scale(step)
            if not steps and progress.complete(self.deployment, self.deployment.status):
                await self._cleanup()
        return await self._rollout_status()

    async def recreate(self, pods: Mapping[str, Sequence[core.Pod]]) -> float | None:
        """Take all old Pods away, then make the new ones."""
        new = await self._sync_revision()
        steps = recreate.scale_old(self._old)
        for step in steps:
            await self._scale(step)
        if steps or recreate.old_pods_running(new, self._old, pods):
            return await self._rollout_status()
        new = new or await self._create_new()
        self._new = await self._scale(rollout.Scale(new, rollout.replicas(self.deployment)))
        if progress.complete(self.deployment, self.deployment.status):
            await self._cleanup()
        return await self._rollout_status()

    # the new ReplicaSet and the revision

    async def _sync_revision(self) -> apps.ReplicaSet | None:
        """Bring annotations and revision of an existing new ReplicaSet, and the Deployment's, up to date."""
        new = self._new
        if new is None:
            return None
        deployment = self.deployment
        known = new.metadata.annotations
        annotations = revisions.new_annotations(deployment, known, revisions.max_revision(self._old) + 1)
        changes = {key: value for key, value in annotations.items() if known.get(key) != value}
        spec: dict[str, Any] = {}
        if new.spec.minReadySeconds != deployment.spec.minReadySeconds:
            spec = {"spec": {"minReadySeconds": deployment.spec.minReadySeconds}}
        if changes or spec:
            self._new = new = await self._patch_replica_set(new, {"metadata": {"annotations": changes}, **spec})
        status = deployment.status
        if progress.has_deadline(deployment) and progress.find(status.conditions, progress.PROGRESSING) is None:
            text = f'Found new replica set "{new.metadata.name}"'
            status = self._with_progressing("True", "FoundNewReplicaSet", text)
        await self._write_status(status, revision=new.metadata.annotations.get(revisions.REVISION, ""))
        return new

    async def _create_new(self) -> apps.ReplicaSet:
        deployment = self.deployment
        revision = revisions.max_revision(self._old) + 1
        replicas = rollout.new_replicas(deployment, self._old, 0)
        annotations = revisions.new_annotations(deployment, {}, revision) | rollout.size_annotations(deployment)
        wanted = revisions.new_replica_set(deployment, replicas, annotations)
        created = True
        try:
            new = await self._writers.replica_sets.create(wanted, deployment.metadata.namespace)
        except errors.AlreadyExists:
            new = await self._own_or_collision(wanted)
            created = False
        except errors.StatusError as error:
            if not pod_control.namespace_terminating(error):
                await self._report_failed_creation(wanted, error)
            raise
        name = new.metadata.name
        if created and replicas > 0:
            self._event("Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
        status = deployment.status
        if created and progress.has_deadline(deployment):
            status = self._with_progressing("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        self._new = new
        await self._write_status(status, revision=str(revision))
        return new

    async def _own_or_collision(self, wanted: apps.ReplicaSet) -> apps.ReplicaSet:
        """The ReplicaSet of that name if it is ours (the cache is slow); else count a collision and raise."""
        deployment = self.deployment
        name, namespace = wanted.metadata.name, deployment.metadata.namespace
        present = await self._writers.replica_sets.get(name, namespace)
        owners = present.metadata.ownerReferences
        ours = any(one.controller and one.uid == deployment.metadata.uid for one in owners)
        if ours and revisions.equal_ignore_hash(deployment.spec.template, present.spec.template):
            return present
        count = (deployment.status.collisionCount or 0) + 1
        logger.info("Found a hash collision for deployment", extra=logs.kv(deployment=name, collisions=count))
        await self._write_status(structs.replace(deployment.status, collisionCount=count))
        raise errors.AlreadyExists("replicasets.apps", name)

    async def _report_failed_creation(self, wanted: apps.ReplicaSet, error: errors.StatusError) -> None:
        text = f'Failed to create new replica set "{wanted.metadata.name}": {error}'
        self._event("Warning", progress.FAILED_CREATE, text)
        if progress.has_deadline(self.deployment):
            await self._write_status(self._with_progressing("False", progress.FAILED_CREATE, text))

    # sizes

    async def _scale(self, step: rollout.Scale) -> apps.ReplicaSet:
        one, wanted = self._latest(step.replica_set), step.replicas
        before = rollout.replicas(one)
        if before == wanted and not step.force:
            return one
        sizes = rollout.size_annotations(self.deployment)
        if before == wanted and all(one.metadata.annotations.get(key) == value for key, value in sizes.items()):
            return one
        change = {"metadata": {"annotations": sizes}, "spec": {"replicas": wanted}}
        changed = await self._patch_replica_set(one, change)
        self._replace(changed)
        if before != wanted:
            way = "up" if before < wanted else "down"
            text = f"Scaled {way} replica set {one.metadata.name} from {before} to {wanted}"
            self._event("Normal", "ScalingReplicaSet", text)
        return changed

    def _latest(self, one: apps.ReplicaSet) -> apps.ReplicaSet:
        """As it is after this sync's own writes."""
        known = [*self._old, self._new] if self._new is not None else self._old
        return next((other for other in known if other.metadata.uid == one.metadata.uid), one)

    def _replace(self, changed: apps.ReplicaSet) -> None:
        uid = changed.metadata.uid
        self._old = [changed if one.metadata.uid == uid else one for one in self._old]
        if self._new is not None and self._new.metadata.uid == uid:
            self._new = changed

    async def _patch_replica_set(self, one: apps.ReplicaSet, change: dict[str, Any]) -> apps.ReplicaSet:
        resource, name, namespace = self._writers.replica_sets, one.metadata.name, one.metadata.namespace

        def at(version: str) -> dict[str, Any]:
            return {**change, "metadata": {**change.get("metadata", {}), "resourceVersion": version}}

        try:
            return await resource.patch(name, at(one.metadata.resourceVersion), namespace)
        except errors.Conflict:
            # Its own controller writes its status all the time; only another spec makes the decision a wrong one.
            fresh = await resource.get(name, namespace)
            if fresh.metadata.uid != one.metadata.uid or fresh.metadata.generation != one.metadata.generation:
                raise
            return await resource.patch(name, at(fresh.metadata.resourceVersion), namespace)

    async def _cleanup(self) -> None:
        for one in revisions.cleanup(self.deployment, self._old):
            try:
                await self._writers.replica_sets.delete(one.metadata.name, one.metadata.namespace)
            except errors.NotFound:
                continue

    # status

    def _calculated(self) -> apps.DeploymentStatus:
        return progress.calculate_status(self.deployment, self._new, self._old, self._writers.clock.now())

    def _with_progressing(self, status: str, reason: str, message: str) -> apps.DeploymentStatus:
        new = progress.condition(progress.PROGRESSING, status, reason, message, self._writers.clock.now())
        present = self.deployment.status
        return structs.replace(present, conditions=progress.with_condition(present.conditions, new))

    async def _rollout_status(self) -> float | None:
        now = self._writers.clock.now()
        await self._write_status(progress.rollout_status(self.deployment, self._new, self._old, now))
        return progress.next_check(self.deployment, self.deployment.status, now)

    async def _write_status(self, status: apps.DeploymentStatus, *, revision: str = "") -> None:
        """Write what differs; the revision travels with the status."""
        deployment = self.deployment
        patch = patches.status(deployment, status, resource_version=True)
        if revision and deployment.metadata.annotations.get(revisions.REVISION) != revision:
            patch.setdefault("metadata", {"resourceVersion": deployment.metadata.resourceVersion})
            patch["metadata"]["annotations"] = {revisions.REVISION: revision}
        if patch:
            name, namespace = deployment.metadata.name, deployment.metadata.namespace
            self.deployment = await self._writers.deployments.patch(name, patch, namespace, subresource="status")

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._writers.recorder.event(self.deployment, kind, reason, message)
