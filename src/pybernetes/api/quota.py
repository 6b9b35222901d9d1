"""What an object uses of a ResourceQuota, and which quotas it falls under: for admission and for the controller alike.

    usage("", "pods", pod, now)      {"pods": 1, "requests.cpu": 500m, "cpu": 500m, "count/pods": 1, ...}
    matches(spec, "", "pods", pod)   whether the quota's scopes mean this object
    tracked(hard)                    the resources that these names count

Works on plain dicts. Upstream: pkg/quota/v1/evaluator/core, k8s.io/apiserver/pkg/quota/v1. Pure.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pybernetes.api import qos
from pybernetes.apimachinery import quantity, timestamps

Object: TypeAlias = dict[str, Any]
Usage: TypeAlias = dict[str, quantity.Quantity]
Resource: TypeAlias = tuple[str, str]
"""Group and plural."""

COUNT = "count/"
_PODS, _SERVICES, _CLAIMS = ("", "pods"), ("", "services"), ("", "persistentvolumeclaims")
_PLAIN = frozenset(("configmaps", "secrets", "replicationcontrollers", "resourcequotas"))
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_OF_PODS = frozenset(("pods", *_COMPUTE, *(f"{side}.{name}" for side in ("requests", "limits") for name in _COMPUTE)))
_OF_SERVICES = frozenset(("services", "services.loadbalancers", "services.nodeports"))
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
_ONE = quantity.from_int(1)


def count_name(group: str, plural: str) -> str:
    """The name under which objects of a resource are counted."""
    return f"{COUNT}{plural}.{group}" if group else f"{COUNT}{plural}"


def tracked(hard: Iterable[str]) -> set[Resource]:
    """The resources whose objects these names count."""
    return {resource for name in hard if (resource := _resource_of(name)) is not None}


def _resource_of(name: str) -> Resource | None:
    if name.startswith(COUNT):
        plural, _, group = name.removeprefix(COUNT).partition(".")
        return group, plural
    if name in _PLAIN:
        return "", name
    if name in _OF_SERVICES:
        return _SERVICES
    if name in ("persistentvolumeclaims", "requests.storage") or _STORAGE_CLASS in name:
        return _CLAIMS
    if name in _OF_PODS or name.startswith(("requests.", "hugepages-")):
        return _PODS
    return None


def relevant(hard: Iterable[str], group: str, plural: str) -> set[str]:
    """Those of the names that count objects of this resource."""
    return {name for name in hard if _resource_of(name) == (group, plural)}


def usage(group: str, plural: str, obj: Object, now: datetime.datetime) -> Usage:
    """Everything that the object could use up."""
    found: Usage = {count_name(group, plural): _ONE}
    if not group and plural in _PLAIN:
        found[plural] = _ONE
    elif (group, plural) == _PODS:
        found |= _pod_usage(obj, now)
    elif (group, plural) == _SERVICES:
        found |= _service_usage(obj)
    elif (group, plural) == _CLAIMS:
        found |= _claim_usage(obj)
    return found


def add(first: Usage, second: Usage) -> Usage:
    """Both together."""
    result = dict(first)
    for name, amount in second.items():
        result[name] = result[name] + amount if name in result else amount
    return result


# Pods


def counts(pod: Object, now: datetime.datetime) -> bool:
    """Whether the Pod still uses anything: not when it has ended, or should have long ago."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    metadata = pod.get("metadata") or {}
    deleted, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if not deleted or grace is None:
        return True
    return now <= timestamps.parse(deleted) + datetime.timedelta(seconds=grace)


def _pod_usage(pod: Object, now: datetime.datetime) -> Usage:
    if not counts(pod, now):
        return {}
    found: Usage = {"pods": _ONE}
    for name, amount in pod_amounts(pod, "requests").items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = amount
        found[f"requests.{name}"] = amount
    for name, amount in pod_amounts(pod, "limits").items():
        if name in _COMPUTE:
            found[f"limits.{name}"] = amount
    return found


def pod_amounts(pod: Object, side: str) -> Usage:
    """A Pod's requests or limits: its containers together, or the largest of its init phases; and the overhead."""
    spec = pod.get("spec") or {}
    total: Usage = {}
    for container in spec.get("containers") or ():
        total = add(total, _amounts(container, side))
    sidecars: Usage = {}
    largest: Usage = {}
    for container in spec.get("initContainers") or ():
        own = _amounts(container, side)
        if container.get("restartPolicy") == "Always":
            total, sidecars = add(total, own), add(sidecars, own)
            own = sidecars
        else:
            own = add(own, sidecars)
        largest = _maximum(largest, own)
    total = _maximum(total, largest)
    of_pod = {name: quantity.parse(text) for name, text in ((spec.get("resources") or {}).get(side) or {}).items()}
    total |= of_pod
    overhead = {name: quantity.parse(text) for name, text in (spec.get("overhead") or {}).items()}
    if side == "limits":
        overhead = {name: amount for name, amount in overhead.items() if name in total}
    return add(total, overhead)


def _amounts(container: Object, side: str) -> Usage:
    given = ((container.get("resources") or {}).get(side) or {}).items()
    return {name: quantity.parse(text) for name, text in given}


def _maximum(first: Usage, second: Usage) -> Usage:
    return {name: max(first.get(name, quantity.ZERO), second.get(name, quantity.ZERO)) for name in {**first, **second}}


# Services and claims


def _service_usage(service: Object) -> Usage:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or ()
    found: Usage = {"services": _ONE}
    if spec.get("type") == "NodePort":
        found["services.nodeports"] = quantity.from_int(len(ports))
    elif spec.get("type") == "LoadBalancer":
        found["services.loadbalancers"] = _ONE
        taken = len(ports)
        if spec.get("allocateLoadBalancerNodePorts") is False:
            taken = sum(bool(port.get("nodePort")) for port in ports)
        found["services.nodeports"] = quantity.from_int(taken)
    return found


def _claim_usage(claim: Object) -> Usage:
    spec, annotations = claim.get("spec") or {}, (claim.get("metadata") or {}).get("annotations") or {}
    found: Usage = {"persistentvolumeclaims": _ONE}
    storage_class = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName") or ""
    if storage_class:
        found[f"{storage_class}{_STORAGE_CLASS}persistentvolumeclaims"] = _ONE
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage", "0")
        amount = max(quantity.parse(asked), quantity.parse(allocated))
        found["requests.storage"] = amount
        if storage_class:
            found[f"{storage_class}{_STORAGE_CLASS}requests.storage"] = amount
    return found


# scopes


def matches(spec: Mapping[str, Any], group: str, plural: str, obj: Object) -> bool:
    """Whether every scope of the quota holds for the object. Only Pods (and some claims) have scopes."""
    required = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    required += ((spec.get("scopeSelector") or {}).get("matchExpressions")) or ()
    if not required:
        return True
    if (group, plural) == _CLAIMS:
        return all(_claim_scope(one, obj) for one in required)
    return (group, plural) == _PODS and all(_pod_scope(one, obj) for one in required)


def _pod_scope(scope: Mapping[str, Any], pod: Object) -> bool:
    spec, name = pod.get("spec") or {}, str(scope["scopeName"])
    if name in ("Terminating", "NotTerminating"):
        deadline = spec.get("activeDeadlineSeconds")
        return bool(deadline is not None and deadline >= 0) == (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        return bool(qos.spec_class(spec) == qos.BEST_EFFORT) == (name == "BestEffort")
    if name == "PriorityClass":
        return _selects(scope, spec.get("priorityClassName") or "")
    return name == "CrossNamespacePodAffinity" and _crosses_namespaces(spec)


def _crosses_namespaces(spec: Object) -> bool:
    affinity = spec.get("affinity") or {}
    for side in (affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}):
        terms = [*(side.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        preferred = side.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [one.get("podAffinityTerm") or {} for one in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def _claim_scope(scope: Mapping[str, Any], claim: Object) -> bool:
    if scope["scopeName"] != "VolumeAttributesClass":
        return False
    return _selects(scope, (claim.get("spec") or {}).get("volumeAttributesClassName") or "")


def _selects(scope: Mapping[str, Any], value: str) -> bool:
    operator, values = scope.get("operator"), scope.get("values") or ()
    if operator == "Exists":
        return bool(value)
    if operator == "DoesNotExist":
        return not value
    return (bool(value) and value in values) if operator == "In" else value not in values
