"""What the author of an object, above all a Pod, should know although it is not wrong: sent as Warning headers.

`of(kind, new, old)` lists them for a creation (`old` is None) or a change. Pods themselves are only looked at when they
are made, workloads when their generation moves: what controllers write often costs nothing.
Pure.
Upstream: pkg/api/pod/warnings.go, pkg/api/node/util.go.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.validation import webhooks
from pybernetes.apimachinery import fieldpath, quantity

Object = dict[str, Any]
Path = fieldpath.Path

TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}
"""Where a kind keeps its template of Pods."""

NULL_SELECTOR = "a null labelSelector results in matching no pod"
BYTES = ("memory", "ephemeral-storage")

_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


_INGRESS_CLASS = "kubernetes.io/ingress.class"


def of(kind: kinds.Kind, new: Object, old: Object | None) -> list[str]:
    """Everything worth saying about this write."""
    if (kind.group, kind.kind) == ("", "Pod"):
        return list(_pod(new, None)) if old is None else []
    if (kind.group, kind.kind) == ("networking.k8s.io", "Ingress"):
        deprecated = old is None and _INGRESS_CLASS in (new["metadata"].get("annotations") or {})
        text = f"annotation \"{_INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"
        return [text] if deprecated else []
    if kind.kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        return list(webhooks.warnings(new, changed=old is not None))
    where = TEMPLATES.get((kind.group, kind.kind))
    if where is None or (old is not None and old["metadata"].get("generation") == new["metadata"].get("generation")):
        return []
    template: Any = new
    for name in where:
        template = (template or {}).get(name)
    return list(_pod(template, Path(*where))) if template else []


def _pod(pod: Object, at: Path | None) -> Iterator[str]:
    spec, facts = pod.get("spec") or {}, pod.get("metadata") or {}
    place = at.child("spec") if at is not None else Path("spec")
    notes = facts.get("annotations") or {}
    notes_at = (at.child("metadata") if at is not None else Path("metadata")).child("annotations")
    yield from _topology(spec, place)
    for key, text in _ANNOTATIONS.items():
        if key in notes:
            yield f"{notes_at.key(key)}: {text}"
    for index, volume in enumerate(spec.get("volumes") or ()):
        for source, text in _VOLUMES.items():
            if source in volume:
                yield f"{place.child('volumes').index(index).child(source)}: {text}"
    yield from _repeated(spec, place)
    yield from _fractions(spec.get("overhead") or {}, place.child("overhead"))
    if _SECCOMP_POD in notes and not (spec.get("securityContext") or {}).get("seccompProfile"):
        yield f"{notes_at.key(_SECCOMP_POD)}: {_SECCOMP}"
    containers = list(_containers(spec, place))
    for container, where in containers:
        key = _SECCOMP_CONTAINER + container.get("name", "")
        if key in notes and not (container.get("securityContext") or {}).get("seccompProfile"):
            yield f"{notes_at.key(key)}: {_SECCOMP}"
        yield from _container(container, where)
    yield from _ports(containers)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        where = place.child("terminationGracePeriodSeconds")
        yield f"{where}: must be >= 0; negative values are invalid and will be treated as 1"
    yield from _affinity(spec.get("affinity") or {}, place.child("affinity"))


def _containers(spec: Object, place: Path) -> Iterator[tuple[Object, Path]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield container, place.child(kind).index(index)


def _topology(spec: Object, place: Path) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in _LABELS:
            yield f"{place.child('nodeSelector').key(key)}: {_LABELS[key]}"
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        where = place.child("topologySpreadConstraints").index(index)
        key = constraint.get("topologyKey", "")
        if key in _LABELS:
            yield f"{where.child('topologyKey')}: {key} is {_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{where.child('labelSelector')}: {NULL_SELECTOR}"


def _repeated(spec: Object, place: Path) -> Iterator[str]:
    for member, field, what in (("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")):
        seen: set[str] = set()
        for index, item in enumerate(spec.get(member) or ()):
            value = item.get(field, "")
            if value in seen:
                yield f'{place.child(member).index(index).child(field)}: duplicate {what} "{value}"'
            seen.add(value)
    for index, item in enumerate(spec.get("imagePullSecrets") or ()):
        if not item.get("name"):
            yield f'{place.child("imagePullSecrets").index(index).child("name")}: invalid empty name ""'


def _fractions(amounts: Object, place: Path) -> Iterator[str]:
    for name in BYTES:
        yield from _fraction(amounts, name, place)


def _fraction(amounts: Object, name: str, place: Path) -> Iterator[str]:
    text = str(amounts.get(name, ""))
    if text.endswith("m") and quantity.parse(text).milli_value() % 1000:
        yield f'{place.key(name)}: fractional byte value "{text}" is invalid, must be an integer'


def _container(container: Object, place: Path) -> Iterator[str]:
    resources = container.get("resources") or {}
    for name in BYTES:
        for member in ("limits", "requests"):
            yield from _fraction(resources.get(member) or {}, name, place.child("resources").child(member))
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name", ""), variable.get("value", "")
        itself = f"$({name})"
        if name in seen and ("valueFrom" in variable or value == itself or itself not in value):
            where = place.child("env").index(index)
            yield f'{where}: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(containers: list[tuple[Object, Path]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[Path, Object]]] = {}
    names: dict[str, Path] = {}
    repeated: list[str] = []
    for container, place in containers:
        for index, port in enumerate(container.get("ports") or ()):
            where = place.child("ports").index(index)
            others = known.setdefault((port.get("containerPort", 0), port.get("protocol", "TCP")), [])
            for path, other in others:
                text = _clash(port, other)
                if text:
                    yield f"{where}: {text} port definition with {path}"
            others.append((where, port))
            name = port.get("name")
            if name and name in names:
                first = names[name]
                uses = f"services and probes that select ports by name will use {first}"
                repeated.append(f'{where}: duplicate port name "{name}" with {first}, {uses}')
            elif name:
                names[name] = where
    yield from repeated


def _clash(one: Object, other: Object) -> str:
    ours, theirs = (one.get("hostIP", ""), one.get("hostPort", 0)), (other.get("hostIP", ""), other.get("hostPort", 0))
    if ours == theirs:
        return "duplicate"
    if not ours[1] or not theirs[1]:
        return "overlapping"
    return "dangerously ambiguous" if ours[1] == theirs[1] and bool(ours[0]) != bool(theirs[0]) else ""


def _affinity(affinity: Object, place: Path) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        given, where = affinity.get(kind) or {}, place.child(kind)
        required, preferred = (f"{name}DuringSchedulingIgnoredDuringExecution" for name in ("required", "preferred"))
        for index, term in enumerate(given.get(required) or ()):
            if term.get("labelSelector") is None:
                yield f"{where.child(required).index(index).child('labelSelector')}: {NULL_SELECTOR}"
        for index, weighted in enumerate(given.get(preferred) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                path = where.child(preferred).index(index).child("podAffinityTerm").child("labelSelector")
                yield f"{path}: {NULL_SELECTOR}"
