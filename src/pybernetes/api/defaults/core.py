"""What the authors of Services, Secrets, Nodes and volumes left out.

Pure; every function changes the dict that it is given.
Upstream: pkg/apis/core/v1/defaults.go.
"""

import base64
from typing import Any

from pybernetes.api.defaults import pods

Object = dict[str, Any]

AFFINITY_SECONDS = 10800


def service(obj: Object) -> None:
    """A Service (addresses and node ports are given out by the server, not here)."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("sessionAffinity", "None")
    if not spec["sessionAffinity"]:
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    if not spec.get("type"):
        spec["type"] = "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    outside = spec["type"] in ("NodePort", "LoadBalancer")
    if (outside or spec.get("externalIPs")) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def endpoints(obj: Object) -> None:
    """Endpoints: TCP unless said otherwise."""
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def secret(obj: Object) -> None:
    """A Secret without a type is Opaque; what came as text in `stringData` is kept as data."""
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    if not obj.get("type"):
        obj["type"] = "Opaque"


def namespace(obj: Object) -> None:
    """A Namespace carries its name as a label, and a finalizer."""
    metadata = obj.setdefault("metadata", {})
    if metadata.get("name"):
        metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}


def node(obj: Object) -> None:
    """What is not said to be allocatable is all of the capacity."""
    status = obj.get("status")
    if status and status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def replication_controller(obj: Object) -> None:
    """Labels and selector follow the template; one replica."""
    spec = obj.setdefault("spec", {})
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("labels"):
            metadata["labels"] = dict(labels)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    pods.template(spec.get("template"))


def pod_template(obj: Object) -> None:
    """A PodTemplate."""
    pods.template(obj.get("template"))


def limit_range(obj: Object) -> None:
    """Container limits: the default is the maximum, the default request the default (or the minimum)."""
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        default = item["default"] = dict(item.get("default") or {})
        request = item["defaultRequest"] = dict(item.get("defaultRequest") or {})
        for name, value in (item.get("max") or {}).items():
            default.setdefault(name, value)
        for name, value in default.items():
            request.setdefault(name, value)
        for name, value in (item.get("min") or {}).items():
            request.setdefault(name, value)
        for field in ("default", "defaultRequest"):
            if not item[field]:
                del item[field]


def persistent_volume(obj: Object) -> None:
    """A PersistentVolume is kept when released, and holds a file system."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    for kind, default in (
        ("hostPath", lambda source: source.setdefault("type", "")),
        ("iscsi", pods.iscsi),
        ("rbd", pods.rbd),
        ("azureDisk", pods.azure_disk),
        ("scaleIO", pods.scale_io),
    ):
        if spec.get(kind) is not None:
            default(spec[kind])


SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def persistent_volume_claim(obj: Object) -> None:
    """A claim asks for a file system; a source given once is given in both fields."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    for field in ("dataSource", "dataSourceRef"):
        if spec.get(field):
            spec[field].setdefault("apiGroup", None)
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None and (source.get("apiGroup") or "", source.get("kind")) not in SOURCES:
        # As if it had not been asked for, as before other sources were possible.
        source = spec.pop("dataSource", None) and None
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def event(obj: Object) -> None:
    """An Event: fields that are always there."""
    modern = obj.get("apiVersion") != "v1"
    prefix = "deprecated" if modern else ""
    for field, value in (("Source", {}), ("FirstTimestamp", None), ("LastTimestamp", None)):
        obj.setdefault(f"{prefix}{field}" if prefix else field[0].lower() + field[1:], value)
    obj.setdefault("eventTime", None)
    if not modern:
        obj.setdefault("reportingComponent", "")
        obj.setdefault("reportingInstance", "")
