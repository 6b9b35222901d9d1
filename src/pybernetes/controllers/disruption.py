"""Says how many Pods under each PodDisruptionBudget may be evicted now.

Evictions note the Pods they delete in the budget; a Pod that is still there two minutes later was not disrupted after
all. The condition DisruptionTarget of such Pods is reset too.
Upstream: pkg/controller/disruption.
"""

import datetime
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import structs

from pybernetes.api.types import apps, core, meta, policy, selectors
from pybernetes.apimachinery import errors, intorstring, labels, timestamps
from pybernetes.client import controller, informer, mapping, patches
from pybernetes.controllers import pod_control
from pybernetes.controllers.context import ControllerContext

DELETION_TIMEOUT = 120.0
_ALLOWED = "DisruptionAllowed"
_FINDERS = ("ReplicaSet", "StatefulSet", "ReplicationController")


class NoScale(Exception):
    """Nobody knows how many Pods there should be."""


class DisruptionController:
    """The controller `disruption`: a key is a PodDisruptionBudget."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client_for("disruption-controller")
        self._clock = context.clock
        self._group = context.group
        self._budgets = context.informers.informer(policy.PodDisruptionBudget)
        self._pods = context.informers.informer(core.Pod)
        self._deployments = context.informers.informer(apps.Deployment)
        self._owners: dict[str, informer.Informer[Any]] = {
            "ReplicaSet": context.informers.informer(apps.ReplicaSet),
            "StatefulSet": context.informers.informer(apps.StatefulSet),
            "ReplicationController": context.informers.informer(core.ReplicationController),
        }
        self._resource = self._client.resource(policy.PodDisruptionBudget)
        self._pod_resource = self._client.resource(core.Pod)
        self._recorder = context.recorder("controllermanager", self._client)
        self.controller = controller.Controller("disruption", self.sync_budget, clock=context.clock)
        self._stale = controller.Controller("stale_pod_disruption", self.sync_stale_pod, clock=context.clock)
        self.controller.watches(self._budgets)
        self.controller.watches(
            self._pods, on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_gone
        )
        for one in (self._deployments, *self._owners.values()):
            self.controller.watches(one, key=None)

    async def run(self) -> None:
        """Work until cancelled."""
        self._group.start(self._stale.run(), "disruption: stale pods")
        await self.controller.run()

    # what the watches bring

    def _enqueue_budgets(self, pod: core.Pod) -> None:
        for budget in self._budgets.list(pod.metadata.namespace):
            if selectors.of(budget.spec.selector).matches(pod.metadata.labels):
                self.controller.enqueue(meta.key(budget))

    def _pod_seen(self, pod: core.Pod) -> None:
        self._enqueue_budgets(pod)
        if self._disrupted_for(pod) is not None:
            self._stale.enqueue(meta.key(pod))

    def _pod_updated(self, old: core.Pod, new: core.Pod) -> None:
        if old.metadata.labels != new.metadata.labels:
            self._enqueue_budgets(old)
        self._pod_seen(new)

    def _pod_gone(self, obj: informer.Deleted[core.Pod]) -> None:
        self._enqueue_budgets(informer.last_known(obj))

    # a budget

    async def sync_budget(self, key: str) -> float | None:
        """Bring one budget's status up to date; where that is impossible, nothing may be evicted."""
        budget = self._budgets.by_key(key)
        if budget is None:
            return None
        try:
            return await self._sync(budget)
        except (NoScale, mapping.NoMatch, intorstring.IntOrStringError) as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", text)
            failed = structs.replace(budget.status, disruptionsAllowed=0)
            await self._write(budget, self._with_condition(failed, "SyncFailed", str(error)))
            raise

    async def _sync(self, budget: policy.PodDisruptionBudget) -> float | None:
        pods = self._pods.list(budget.metadata.namespace, selectors.of(budget.spec.selector))
        if not pods:
            self._recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        expected, desired = await self._expectation(budget, pods)
        now = self._clock.now()
        disrupted, recheck = self._disrupted(budget, pods, now)
        healthy = sum(
            pod.metadata.deletionTimestamp is None and pod.metadata.name not in disrupted and pod_control.is_ready(pod)
            for pod in pods
        )
        allowed = max(0, healthy - desired) if expected > 0 else 0
        status = policy.PodDisruptionBudgetStatus(
            currentHealthy=healthy,
            desiredHealthy=desired,
            expectedPods=expected,
            disruptionsAllowed=allowed,
            disruptedPods=disrupted,
            observedGeneration=budget.metadata.generation,
            conditions=budget.status.conditions,
        )
        reason = "SufficientPods" if allowed > 0 else "InsufficientPods"
        await self._write(budget, self._with_condition(status, reason, ""))
        return recheck

    async def _write(self, budget: policy.PodDisruptionBudget, status: policy.PodDisruptionBudgetStatus) -> None:
        patch = patches.status(budget, status, resource_version=True)
        if not patch:
            return
        name, namespace = budget.metadata.name, budget.metadata.namespace
        try:
            await self._resource.patch(name, patch, namespace, subresource="status")
        except errors.NotFound:
            return

    def _with_condition(
        self, status: policy.PodDisruptionBudgetStatus, reason: str, message: str
    ) -> policy.PodDisruptionBudgetStatus:
        verdict = "True" if reason == "SufficientPods" else "False"
        known = next((one for one in status.conditions if one.type == _ALLOWED), None)
        since = timestamps.format_time(self._clock.now())
        if known is not None and known.status == verdict:
            since = known.lastTransitionTime
        new = meta.Condition(
            type=_ALLOWED,
            status=verdict,
            reason=reason,
            message=message,
            observedGeneration=status.observedGeneration,
            lastTransitionTime=since,
        )
        others = tuple(one for one in status.conditions if one.type != _ALLOWED)
        return structs.replace(status, conditions=(*others, new))

    def _disrupted(
        self, budget: policy.PodDisruptionBudget, pods: Iterable[core.Pod], now: datetime.datetime
    ) -> tuple[dict[str, str], float | None]:
        """Pods that an eviction is about to delete, and when the first of them is overdue."""
        found: dict[str, str] = {}
        recheck = None
        for pod in pods:
            since = budget.status.disruptedPods.get(pod.metadata.name)
            if since is None or pod.metadata.deletionTimestamp is not None:
                continue
            left = DELETION_TIMEOUT - (now - timestamps.parse(since)).total_seconds()
            if left < 0:
                # The namespace twice is upstream's.
                where = f"{budget.metadata.namespace}/{budget.metadata.namespace}"
                text = f"Pod was expected by PDB {where} to be deleted but it wasn't"
                self._recorder.event(pod, "Warning", "NotDeleted", text)
                continue
            found[pod.metadata.name] = since
            recheck = left if recheck is None else min(recheck, left)
        return found, recheck

    # how many there should be

    async def _expectation(self, budget: policy.PodDisruptionBudget, pods: list[core.Pod]) -> tuple[int, int]:
        """How many Pods are expected, and how many of them must be healthy."""
        spec = budget.spec
        if spec.maxUnavailable is not None:
            expected = await self._expected_scale(budget, pods)
            return expected, max(0, expected - intorstring.scaled(spec.maxUnavailable, expected, round_up=True))
        if spec.minAvailable is None:
            return 0, 0
        if isinstance(spec.minAvailable, int):
            return len(pods), spec.minAvailable
        expected = await self._expected_scale(budget, pods)
        return expected, intorstring.scaled(spec.minAvailable, expected, round_up=True)

    async def _expected_scale(self, budget: policy.PodDisruptionBudget, pods: Iterable[core.Pod]) -> int:
        """The sizes of all controllers of these Pods together."""
        scales: dict[str, int] = {}
        seen: set[str] = set()
        unmanaged = False
        for pod in pods:
            owner = meta.controller_of(pod)
            if owner is None:
                unmanaged = True
                continue
            if owner.uid not in seen:
                seen.add(owner.uid)
                uid, size = await self._scale_of(owner, pod)
                scales[uid] = size
        if unmanaged:
            selector = labels.format_label_selector(meta.to_dict(budget.spec.selector or meta.LabelSelector()))
            text = (
                f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a "
                "result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "
                'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
            )
            self._recorder.event(budget, "Warning", "UnmanagedPods", text)
        return sum(scales.values())

    async def _scale_of(self, owner: meta.OwnerReference, pod: core.Pod) -> tuple[str, int]:
        namespace = pod.metadata.namespace
        if owner.kind in _FINDERS:
            found = self._owners[owner.kind].get(namespace, owner.name)
            if found is not None and found.metadata.uid == owner.uid:
                above = meta.controller_of(found)
                if above is not None and above.kind == "Deployment":
                    deployment = self._deployments.get(namespace, above.name)
                    if deployment is not None and deployment.metadata.uid == above.uid:
                        return above.uid, _replicas(deployment.spec.replicas)
                else:
                    return owner.uid, _replicas(found.spec.replicas)
        try:
            answer = await self._client.dynamic(owner.apiVersion, owner.kind).get_subresource(
                owner.name, "scale", namespace
            )
        except errors.NotFound as error:
            where = await self._client.mapper.find(owner.apiVersion, owner.kind)
            raise NoScale(f"{where.resource} does not implement the scale subresource") from error
        scale = msgspec.json.decode(answer)
        if scale["metadata"].get("uid") != owner.uid:
            raise NoScale(f'found no controllers for pod "{pod.metadata.name}"')
        return owner.uid, _replicas(scale.get("spec", {}).get("replicas", 0))

    # Pods that were to be disrupted and live on

    def _disrupted_for(self, pod: core.Pod) -> float | None:
        """How long the Pod has been said to be going without going."""
        condition = pod_control.pod_condition(pod, "DisruptionTarget")
        if condition is None or condition.status != "True" or pod.metadata.deletionTimestamp is not None:
            return None
        if condition.reason == "TerminationByKubelet" or pod.status.phase in ("Succeeded", "Failed"):
            return None
        since = timestamps.parse(condition.lastTransitionTime or pod.metadata.creationTimestamp)
        return (self._clock.now() - since).total_seconds()

    async def sync_stale_pod(self, key: str) -> float | None:
        """Take the condition back when two minutes are over."""
        pod = self._pods.by_key(key)
        age = self._disrupted_for(pod) if pod is not None else None
        if pod is None or age is None:
            return None
        if age < DELETION_TIMEOUT:
            return DELETION_TIMEOUT - age
        now = timestamps.format_time(self._clock.now())
        condition = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": now}
        condition |= {"reason": "", "message": ""}
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        namespace, name = meta.split_key(key)
        try:
            await self._pod_resource.patch(name, patch, namespace, type="strategic", subresource="status")
        except errors.NotFound:
            return None
        return None


def _replicas(value: int | None) -> int:
    return 1 if value is None else value
