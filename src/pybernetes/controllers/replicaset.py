"""Keeps a number of equal Pods alive: ReplicaSets, and ReplicationControllers by the same code.

A sync compares the Pods that count with `spec.replicas` and creates or deletes the difference, in growing batches.
Expectations keep it from acting again before its own last creates and deletes have come back through the watch.
Path: 12 controller makes Pods.
Upstream: pkg/controller/replicaset, pkg/controller/replication.
"""

import dataclasses
from typing import Any

from pybernetes.aio import tasks
from pybernetes.api.types import apps, core, meta
from pybernetes.apimachinery import errors, labels, timestamps
from pybernetes.client import controller, expectations, informer
from pybernetes.controllers import adoption, pod_control
from pybernetes.controllers.context import ControllerContext
from pybernetes.telemetry import logs, traces

logger = logs.get("replicaset")

BURST_REPLICAS = 500
SLOW_START_INITIAL_BATCH_SIZE = 1

ReplicaOwner = apps.ReplicaSet
"""Of either kind: a ReplicationController has the same fields, except that its selector is a plain map of labels."""


@dataclasses.dataclass(frozen=True, slots=True)
class Flavor:
    """What differs between the two kinds."""

    name: str
    account: str
    kind: type[Any]
    workers: int


def replica_set(context: ControllerContext) -> "ReplicaSetController":
    """The controller `replicaset`."""
    workers = context.settings.concurrent_replicaset_syncs
    return ReplicaSetController(
        context, Flavor("replicaset-controller", "replicaset-controller", apps.ReplicaSet, workers)
    )


def replication_controller(context: ControllerContext) -> "ReplicaSetController":
    """The controller `replicationcontroller`."""
    workers = context.settings.concurrent_rc_syncs
    flavor = Flavor("replication-controller", "replication-controller", core.ReplicationController, workers)
    return ReplicaSetController(context, flavor)


class ReplicaSetController:
    """One code for both kinds."""

    def __init__(
        self, context: ControllerContext, flavor: Flavor, control: pod_control.PodControl | None = None
    ) -> None:
        client = context.client_for(flavor.account)
        self._clock = context.clock
        self._flavor = flavor
        self._owners = context.informers.informer(flavor.kind)
        self._pods = context.informers.informer(core.Pod)
        pod_control.index_by_controller(self._pods)
        self._owner_resource = client.resource(flavor.kind)
        self._pod_resource = client.resource(core.Pod)
        self._control = control or pod_control.RealPodControl(client, context.recorder(flavor.name, client))
        self.expectations = expectations.ControllerExpectations(context.clock)
        self.controller = controller.Controller(
            flavor.name, self.sync_replica_set, clock=context.clock, workers=flavor.workers
        )
        self.controller.watches(
            self._owners, on_add=self._enqueue, on_update=self._update_owner, on_delete=self._delete_owner
        )
        self.controller.watches(
            self._pods, on_add=self._add_pod, on_update=self._update_pod, on_delete=self._delete_pod
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    # what the watches bring

    def _enqueue(self, owner: ReplicaOwner) -> None:
        self.controller.enqueue(meta.key(owner))

    def _update_owner(self, old: ReplicaOwner, new: ReplicaOwner) -> None:
        if old.metadata.uid != new.metadata.uid:
            self._delete_owner(old)
        self._enqueue(new)

    def _delete_owner(self, obj: informer.Deleted[ReplicaOwner]) -> None:
        owner = informer.last_known(obj)
        self.expectations.delete(meta.key(owner))
        self._enqueue(owner)

    def _add_pod(self, pod: core.Pod) -> None:
        if pod.metadata.deletionTimestamp is not None:
            self._delete_pod(pod)
            return
        if meta.controller_of(pod) is None:
            for owner in self._matching_owners(pod):
                self._enqueue(owner)
            return
        controlling = self._resolve_controller(pod)
        if controlling is not None:
            traces.step(16, meta.key(pod), "was seen")
            self.expectations.creation_observed(meta.key(controlling))
            self._enqueue(controlling)

    def _update_pod(self, old: core.Pod, new: core.Pod) -> None:
        if new.metadata.deletionTimestamp is not None:
            if old.metadata.deletionTimestamp is None:
                traces.step(30, meta.key(new), "does not count any more")
            # From here on the Pod does not count: the replacement is made before the old one is gone.
            self._delete_pod(new)
            if old.metadata.labels != new.metadata.labels:
                self._delete_pod(old)
            return
        former, owner = self._resolve_controller(old), self._resolve_controller(new)
        if former is not None and (owner is None or former.metadata.uid != owner.metadata.uid):
            self._enqueue(former)
        if owner is not None:
            self._enqueue(owner)
            if not pod_control.is_ready(old) and pod_control.is_ready(new) and owner.spec.minReadySeconds > 0:
                self.controller.enqueue_after(meta.key(owner), owner.spec.minReadySeconds + 1)
        elif meta.controller_of(new) is None and (
            old.metadata.labels != new.metadata.labels or meta.controller_of(old) is not None
        ):
            for matching in self._matching_owners(new):
                self._enqueue(matching)

    def _delete_pod(self, obj: informer.Deleted[core.Pod]) -> None:
        pod = informer.last_known(obj)
        owner = self._resolve_controller(pod)
        if owner is not None:
            self.expectations.deletion_observed(meta.key(owner), pod.metadata.uid)
            self._enqueue(owner)

    def _resolve_controller(self, pod: core.Pod) -> ReplicaOwner | None:
        reference = meta.controller_of(pod)
        if reference is None or reference.kind != self._owners.kind:
            return None
        owner: ReplicaOwner | None = self._owners.get(pod.metadata.namespace, reference.name)
        return owner if owner is not None and owner.metadata.uid == reference.uid else None

    def _matching_owners(self, pod: core.Pod) -> list[ReplicaOwner]:
        owners: list[ReplicaOwner] = self._owners.list(pod.metadata.namespace)
        return [owner for owner in owners if selector_of(owner).matches(pod.metadata.labels)]

    # what a sync does

    async def sync_replica_set(self, key: str) -> float | None:
        """Bring one owner's Pods and status in line with its spec; returns when to look again, if time matters."""
        namespace, name = meta.split_key(key)
        owner: ReplicaOwner | None = self._owners.get(namespace, name)
        if owner is None:
            logger.log(logs.verbosity(4), "%s has been deleted", key)
            self.expectations.delete(key)
            return None
        closed_for = self.expectations.remaining(key)
        traces.step(11, key)
        # Its own Pods whether they match or not (what no longer matches must be released), and all orphans.
        candidates = pod_control.controlled_by(self._pods, owner.metadata.uid)
        candidates += pod_control.orphans(self._pods, namespace)
        claimed = await self._claim_pods(owner, candidates)
        active = pod_control.filter_active_pods(claimed)
        failure: Exception | None = None
        if closed_for is None and owner.metadata.deletionTimestamp is None:
            try:
                await self.manage_replicas(active, owner)
            except pod_control.FAILURES as error:
                failure = error
        await self._update_status(owner, calculate_status(owner, claimed, failure, self._clock.now()))
        if failure is not None:
            raise failure
        waits = (closed_for, self._next_availability(owner, active))
        return min((wait for wait in waits if wait is not None), default=None)

    async def _claim_pods(self, owner: ReplicaOwner, pods: list[core.Pod]) -> list[core.Pod]:
        can_adopt = adoption.recheck_deletion(self._owner_resource, owner)
        manager = adoption.ControllerRefManager(self._pod_resource, owner, selector_of(owner), can_adopt)
        return await manager.claim(pods)

    async def manage_replicas(self, active: list[core.Pod], owner: ReplicaOwner) -> None:
        """Create what is missing, or delete the surplus, at most BURST_REPLICAS at once. Raises the first error."""
        key = meta.key(owner)
        wanted = 1 if owner.spec.replicas is None else owner.spec.replicas
        difference = len(active) - wanted
        traces.step(12, key, f"{len(active)} active, {wanted} wanted")
        if difference < 0:
            count = min(-difference, BURST_REPLICAS)
            self.expectations.expect_creations(key, count)
            logger.info("Too few replicas", extra=logs.kv(owner=key, need=wanted, creating=count))
            await self._create(owner, key, count)
        elif difference > 0:
            count = min(difference, BURST_REPLICAS)
            logger.info("Too many replicas", extra=logs.kv(owner=key, need=wanted, deleting=count))
            await self._delete(owner, key, self.get_pods_to_delete(active, owner, count))

    async def _create(self, owner: ReplicaOwner, key: str, count: int) -> None:
        reference = meta.owner_reference(owner)

        async def create() -> None:
            try:
                await self._control.create_pods(owner.metadata.namespace, owner.spec.template, owner, reference)
            except pod_control.FAILURES as error:
                # Nothing can be created in a namespace that is going away: not worth a retry.
                if not pod_control.namespace_terminating(error):
                    raise

        created, failure = await pod_control.slow_start_batch(count, SLOW_START_INITIAL_BATCH_SIZE, create)
        for _ in range(count - created):
            # What was not created will not be seen either; the next sync tries again.
            self.expectations.creation_observed(key)
        if failure is not None:
            raise failure

    async def _delete(self, owner: ReplicaOwner, key: str, pods: list[core.Pod]) -> None:
        self.expectations.expect_deletions(key, [pod.metadata.uid for pod in pods])

        async def delete(pod: core.Pod) -> None:
            try:
                traces.step(35, meta.key(pod))
                await self._control.delete_pod(pod.metadata.namespace, pod.metadata.name, owner)
            except pod_control.FAILURES as error:
                self.expectations.deletion_observed(key, pod.metadata.uid)
                if not isinstance(error, errors.NotFound):
                    raise

        await tasks.gather(*(delete(pod) for pod in pods), name=f"delete pods of {key}")

    def get_pods_to_delete(self, active: list[core.Pod], owner: ReplicaOwner, count: int) -> list[core.Pod]:
        """The `count` Pods that will be missed least."""
        if count >= len(active):
            return active
        siblings: dict[str, int] = {}
        for pod in self._related_pods(owner):
            if pod_control.is_active(pod):
                siblings[pod.spec.nodeName] = siblings.get(pod.spec.nodeName, 0) + 1
        return pod_control.order_for_deletion(active, siblings, self._clock.now())[:count]

    def _related_pods(self, owner: ReplicaOwner) -> list[core.Pod]:
        """Pods of every owner under the same controller: a rollout's old and new together."""
        above = meta.controller_of(owner)
        family: list[ReplicaOwner] = [owner]
        if above is not None:
            others: list[ReplicaOwner] = self._owners.list(owner.metadata.namespace)
            family = [one for one in others if (ref := meta.controller_of(one)) is not None and ref.uid == above.uid]
        return [pod for one in family for pod in pod_control.controlled_by(self._pods, one.metadata.uid)]

    async def _update_status(self, owner: ReplicaOwner, status: dict[str, Any]) -> None:
        """Write the status if it says anything new."""
        if status == status_of(owner) and owner.metadata.generation == owner.status.observedGeneration:
            return
        status["observedGeneration"] = owner.metadata.generation
        patch = {"metadata": {"uid": owner.metadata.uid}, "status": status}
        ready = status["readyReplicas"]
        traces.step(28 if ready else 16, meta.key(owner), f"{ready} of {status['replicas']} ready")
        try:
            await self._owner_resource.patch(owner.metadata.name, patch, owner.metadata.namespace, subresource="status")
        except errors.NotFound:
            return

    def _next_availability(self, owner: ReplicaOwner, active: list[core.Pod]) -> float | None:
        minimum = owner.spec.minReadySeconds
        if not minimum:
            return None
        now = self._clock.now()
        waits = [left for pod in active if (left := pod_control.available_in(pod, minimum, now))]
        return min(waits, default=None)


def selector_of(owner: ReplicaOwner) -> labels.Selector:
    """The Pods an owner looks after. A selector that selects everything selects nothing here."""
    selector: Any = owner.spec.selector
    if isinstance(selector, meta.LabelSelector):
        return labels.from_label_selector(meta.to_dict(selector))
    return labels.from_set(selector) if selector else labels.NOTHING


def status_of(owner: ReplicaOwner) -> dict[str, Any]:
    """The stored status in the form that `calculate_status` gives."""
    status = owner.status
    return {
        "replicas": status.replicas,
        "fullyLabeledReplicas": status.fullyLabeledReplicas,
        "readyReplicas": status.readyReplicas,
        "availableReplicas": status.availableReplicas,
        "conditions": [meta.to_dict(condition) for condition in status.conditions],
        **({"terminatingReplicas": status.terminatingReplicas} if owner.kind == "ReplicaSet" else {}),
    }


def calculate_status(
    owner: ReplicaOwner, claimed: list[core.Pod], failure: Exception | None, now: Any
) -> dict[str, Any]:
    """What the Pods say about their owner."""
    active = pod_control.filter_active_pods(claimed)
    wanted = labels.from_set(owner.spec.template.metadata.labels if owner.spec.template else {})
    available = [pod_control.available_in(pod, owner.spec.minReadySeconds, now) for pod in active]
    status: dict[str, Any] = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(wanted.matches(pod.metadata.labels) for pod in active),
        "readyReplicas": sum(pod_control.is_ready(pod) for pod in active),
        "availableReplicas": sum(left == 0 for left in available),
        "conditions": _conditions(owner, active, failure, now),
    }
    if owner.kind == "ReplicaSet":
        status["terminatingReplicas"] = sum(
            pod.metadata.deletionTimestamp is not None and pod.status.phase not in ("Succeeded", "Failed")
            for pod in claimed
        )
    return status


def _conditions(
    owner: ReplicaOwner, active: list[core.Pod], failure: Exception | None, now: Any
) -> list[dict[str, Any]]:
    known = [meta.to_dict(one) for one in owner.status.conditions]
    has = any(one["type"] == "ReplicaFailure" for one in known)
    if failure is None:
        return [one for one in known if one["type"] != "ReplicaFailure"]
    if has:
        return known
    wanted = 1 if owner.spec.replicas is None else owner.spec.replicas
    reason = "FailedCreate" if len(active) < wanted else "FailedDelete"
    condition = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": reason,
        "message": str(failure),
        "lastTransitionTime": timestamps.format_time(now),
    }
    return [*known, condition]
