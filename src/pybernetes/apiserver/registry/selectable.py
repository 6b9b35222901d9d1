"""Which fields of a kind field selectors may name, and how they read from an object.

Every kind has `metadata.name` and, in namespaces, `metadata.namespace`. A custom resource adds what its definition
lists. Upstream: pkg/apis/*/v1/conversion.go (AddFieldLabelConversionFunc), pkg/registry/*/strategy.go (GetAttrs).
Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pybernetes.api import kinds

Object = dict[str, Any]
Extract = Callable[[Object], Mapping[str, str]]

_EVENT = {
    f"involvedObject.{name}": f"involvedObject.{name}"
    for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
} | {
    "reason": "reason",
    "reportingComponent": "reportingComponent",
    "source": "source.component|reportingComponent",
    "type": "type",
}

TABLE: dict[tuple[str, str], Mapping[str, str]] = {
    ("", "pods"): {
        path: path
        for path in (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        )
    },
    ("", "nodes"): {"spec.unschedulable": "spec.unschedulable"},
    ("", "namespaces"): {"name": "metadata.name", "status.phase": "status.phase"},
    ("", "secrets"): {"type": "type"},
    ("", "services"): {"spec.clusterIP": "spec.clusterIP", "spec.type": "spec.type"},
    ("", "replicationcontrollers"): {"status.replicas": "status.replicas"},
    ("", "events"): _EVENT,
    ("apps", "replicasets"): {"status.replicas": "status.replicas"},
    ("batch", "jobs"): {"status.successful": "status.succeeded"},
    ("certificates.k8s.io", "certificatesigningrequests"): {"spec.signerName": "spec.signerName"},
    ("certificates.k8s.io", "clustertrustbundles"): {"spec.signerName": "spec.signerName"},
    ("certificates.k8s.io", "podcertificaterequests"): {
        "spec.signerName": "spec.signerName",
        "spec.nodeName": "spec.nodeName",
    },
    ("resource.k8s.io", "resourceslices"): {"spec.nodeName": "spec.nodeName", "spec.driver": "spec.driver"},
}
"""Label of the selector → where its value is in the stored object (`|`: or else there), beside metadata."""

RENAMED: dict[tuple[str, str], Mapping[str, str]] = {
    ("events.k8s.io", "events"): {
        **{name.replace("involvedObject.", "regarding."): name for name in _EVENT if name.startswith("involved")},
        "reportingController": "reportingComponent",
        "reason": "reason",
        "type": "type",
    }
}
"""Labels that another version uses for the same fields."""

_SPECIAL_ZERO = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.replicas": "0",
    "status.succeeded": "0",
}


def labels(kind: kinds.Kind) -> frozenset[str]:
    """Every label a selector on that kind may use."""
    key = (kind.group, kind.plural)
    own = RENAMED.get(key) or TABLE.get(key) or {}
    if kind.custom is not None:
        return frozenset(kind.custom.selectable_fields) | {"metadata.name", *("metadata.namespace",) * kind.namespaced}
    return frozenset(own) | {"metadata.name", "metadata.namespace"}


def rename(kind: kinds.Kind, label: str) -> str:
    """The stored label for that of a version."""
    renamed = RENAMED.get((kind.group, kind.plural))
    return renamed.get(label, label) if renamed else label


def extractor(kind: kinds.Kind, more: Sequence[str] = ()) -> Extract:
    """A function from a stored object to its selectable fields; `more` are paths of a custom resource."""
    places = dict(TABLE.get((kind.storage_group, kind.plural)) or {}) | {path: path for path in more}
    rows = tuple((label, _paths(path), _SPECIAL_ZERO.get(path, "")) for label, path in places.items())
    namespaced = kind.namespaced

    def extract(obj: Object) -> Mapping[str, str]:
        metadata = obj["metadata"]
        found = {"metadata.name": metadata["name"]}
        if namespaced:
            found["metadata.namespace"] = metadata.get("namespace", "")
        for label, (path, *others), zero in rows:
            value = _text(obj, path, zero)
            for other in others:
                value = value or _text(obj, other, zero)
            found[label] = value
        return found

    return extract


def _paths(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in text.split("|"))


def _text(obj: Any, path: tuple[str, ...], zero: str) -> str:
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
        if obj is None:
            return zero
    if isinstance(obj, bool):
        return "true" if obj else "false"
    if isinstance(obj, list):
        return ",".join(str(one.get("ip", one)) if isinstance(one, dict) else str(one) for one in obj)
    return str(obj)


def unknown(kind: kinds.Kind, label: str) -> str:
    """What is said of a label that is not selectable."""
    if kind.custom is not None or (kind.storage_group, kind.plural) in TABLE:
        return f"field label not supported: {label}"
    quoted = f'"{label}"'
    return f'{quoted} is not a known field selector: only "metadata.name", "metadata.namespace"'
