"""`pods/eviction`: delete a Pod unless a PodDisruptionBudget says that it is needed now.

Upstream: pkg/registry/core/pod/storage/eviction.go.
"""

import dataclasses
from typing import Any

from pybernetes.apimachinery import errors, gvk, labels, meta, timestamps
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import deleter, operation
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, negotiate, options, present

Object = dict[str, Any]

EVICTION = gvk.GroupVersionKind("policy", "v1", "Eviction")
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
CAUSE = "DisruptionBudget"
MAX_DISRUPTED = 2000
ATTEMPTS = 20


async def evict(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """POST pods/NAME/eviction."""
    negotiate.output(context, transforms=False)
    given = decode.read(context, EVICTION)
    if (given.get("metadata") or {}).get("name") != context.info.name:
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    stores.place(given, context.info.namespace)
    op = options.write(context, "CreateOptions")
    op.dry_run = op.dry_run or bool((given.get("deleteOptions") or {}).get("dryRun"))
    given = await store.environment.admission.both(store.attributes(op, "CREATE", given, None))
    wanted = given.get("deleteOptions") or {}
    for attempt in range(ATTEMPTS):
        try:
            await _evict_once(context, store, op, wanted)
            return present.value(context, SUCCESS, 201)
        except errors.Conflict:
            if (wanted.get("preconditions") or {}).get("resourceVersion") or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def _evict_once(
    context: contexts.RequestContext, store: stores.Store, op: operation.Operation, wanted: Object
) -> None:
    pod = (await store.get(op.namespace, op.name)).object()
    phase = (pod.get("status") or {}).get("phase")
    at = operation.Preconditions.of(wanted.get("preconditions"))
    version = pod["metadata"]["resourceVersion"]
    if phase in ("Succeeded", "Failed", "Pending") or meta.is_deleting(pod):
        if phase == "Pending" and not meta.is_deleting(pod) and not at.resource_version:
            at = operation.Preconditions(at.uid, version)
    elif await _use_budget(context, op, pod) and not at.resource_version:
        at = operation.Preconditions(at.uid, version)
    await _delete(context, store, op, wanted, at)


async def _use_budget(context: contexts.RequestContext, op: operation.Operation, pod: Object) -> bool:
    """Take one disruption from the Pod's budget; True where the Pod may go only if it is still unhealthy."""
    found = [
        one
        for one in await context.server.stores.list("policy", "poddisruptionbudgets", op.namespace)
        if labels.from_label_selector((one.get("spec") or {}).get("selector")).matches(meta.labels(pod))
    ]
    if not found:
        return False
    if len(found) > 1:
        raise errors.StatusError(SEVERAL, reason="")
    budget = found[0]
    status = budget.get("status") or {}
    if not meta.condition_is(pod, "Ready"):
        if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return True
        if status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0:
            return True
    budgets = context.server.stores.by_resource("policy", "poddisruptionbudgets")
    assert budgets is not None
    now = timestamps.format_time(context.clock.now())

    def take(current: Object) -> None:
        _check(current)
        changed = current["status"]
        changed["disruptionsAllowed"] -= 1
        changed["disruptedPods"] = {**(changed.get("disruptedPods") or {}), op.name: now}
        if not changed["disruptionsAllowed"]:
            insufficient = {
                "type": "DisruptionAllowed",
                "status": "False",
                "reason": "InsufficientPods",
                "message": "",
                "observedGeneration": changed.get("observedGeneration", 0),
            }
            meta.set_condition(changed.setdefault("conditions", []), insufficient, now)

    its = dataclasses.replace(op, kind=budgets.kind, name=budget["metadata"]["name"], subresource="status")
    await budgets.rewrite(its, take)
    return False


def _check(budget: Object) -> None:
    """Refuse when the budget has no disruption to give. Raises TooManyRequests, Forbidden."""
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    allowed = status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _busy(f"The disruption budget {name} is still being processed by the server.", 10)
    prefix = f"The disruption budget {name} does not allow evicting pods currently"
    if allowed < 0 or len(status.get("disruptedPods") or ()) > MAX_DISRUPTED:
        reason = "pdb disruptions allowed is negative"
        more = reason
        if allowed >= 0:
            reason = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
            more = "too many pending evictions not confirmed by PDB controller"
        error = errors.Forbidden(gvk.GroupResource("policy", "poddisruptionbudget"), name, reason)
        error.add_cause(CAUSE, f"{prefix}: {more}")
        raise error
    if allowed > 0:
        return
    condition = meta.condition(budget, "DisruptionAllowed") or {}
    said = condition.get("message") if condition.get("status") == "False" else ""
    needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    if said and condition.get("reason") == "SyncFailed":
        raise _busy(f"{prefix} because it failed sync: {said}", 0)
    if healthy <= needed:
        raise _busy(f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently", 0)
    raise _busy(f"{prefix} ({condition.get('reason')}): {said}" if said else prefix, 0)


def _busy(message: str, retry_after: int) -> errors.TooManyRequests:
    error = errors.TooManyRequests(VIOLATES, retry_after)
    error.add_cause(CAUSE, message)
    return error


async def _delete(
    context: contexts.RequestContext,
    store: stores.Store,
    op: operation.Operation,
    wanted: Object,
    at: operation.Preconditions,
) -> None:
    """Say in the Pod's conditions why it goes, then delete it."""
    now = timestamps.format_time(context.clock.now())

    def mark(pod: Object) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        meta.set_condition(pod.setdefault("status", {}).setdefault("conditions", []), condition, now)

    preconditions = {"uid": at.uid}
    if not op.dry_run:
        marked = await store.rewrite(op, mark, at)
        if at.resource_version:
            preconditions["resourceVersion"] = str(marked.revision)
    choice: Object = {**wanted, "preconditions": {name: text for name, text in preconditions.items() if text}}
    await deleter.delete(store, dataclasses.replace(op, subresource="", options=choice), choice)
