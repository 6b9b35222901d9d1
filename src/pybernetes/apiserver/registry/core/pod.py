"""Pods: status apart, graceful deletion, scheduling gates.

Upstream: pkg/registry/core/pod/strategy.go.
"""

from pybernetes.api import qos
from pybernetes.apimachinery import timestamps
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

FINISHED = ("Succeeded", "Failed")


class PodStrategy(strategy.Strategy):
    """A Pod starts as Pending and is deleted with grace while a kubelet may run it."""

    returns_deleted = True

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Pending, with its quality of service; gated Pods say so."""
        spec = new.setdefault("spec", {})
        status: Object = {"phase": "Pending"}
        if spec.get("schedulingGates"):
            status["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "lastProbeTime": None,
                    "lastTransitionTime": timestamps.format_time(context.clock.now()),
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }
            ]
        status["qosClass"] = qos.spec_class(spec)
        new["status"] = status
        if spec.get("terminationGracePeriodSeconds", 0) < 0:
            spec["terminationGracePeriodSeconds"] = 1

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """Each path changes its own part; a deletion under way stays as it is."""
        if context.subresource == "status":
            new["spec"] = old["spec"]
            metadata = new["metadata"]
            for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences"):
                if field in old["metadata"]:
                    metadata[field] = old["metadata"][field]
                else:
                    metadata.pop(field, None)
            status = new.setdefault("status", {})
            if old.get("status", {}).get("qosClass"):
                status["qosClass"] = old["status"]["qosClass"]
            return
        new["status"] = old.get("status", {})
        if context.subresource == "ephemeralcontainers":
            _keep_all_but(new, old, {**old["spec"], **_given(new["spec"], "ephemeralContainers")})
        elif context.subresource == "resize":
            _keep_all_but(new, old, _resized(new["spec"], old["spec"]))

    def check_graceful_delete(self, context: strategy.Context, old: Object, grace_period: int | None) -> int | None:
        """The grace asked for, or the Pod's own; none at all for what no kubelet runs (any longer)."""
        spec = old["spec"]
        period: int = spec.get("terminationGracePeriodSeconds", 0) if grace_period is None else grace_period
        if not spec.get("nodeName") or (old.get("status") or {}).get("phase") in FINISHED:
            return 0
        return 1 if period < 0 else period


def _given(spec: Object, field: str) -> Object:
    return {field: spec[field]} if field in spec else {}


def _keep_all_but(new: Object, old: Object, spec: Object) -> None:
    """The stored Pod with another spec; who manages which field is the request's news."""
    new["metadata"] = {**old["metadata"], **_given(new["metadata"], "managedFields")}
    new["metadata"].setdefault("resourceVersion", old["metadata"].get("resourceVersion", ""))
    new["spec"] = spec


def _resized(new: Object, old: Object) -> Object:
    """The old spec with the new resources; containers that do not match are left for validation to refuse."""
    spec: Object = {**old, **_given(new, "resources")}
    for kind in ("containers", "initContainers"):
        ours, theirs = old.get(kind) or [], new.get(kind) or []
        if [one["name"] for one in ours] != [one.get("name") for one in theirs]:
            return new
        if ours:
            spec[kind] = [
                {**mine, **_given(other, "resources"), **_given(other, "resizePolicy")}
                for mine, other in zip(ours, theirs, strict=True)
            ]
    return spec
