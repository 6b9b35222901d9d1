"""What a Pod's author left out, and a pod template's.

Pure; every function changes the dict that it is given.
Upstream: pkg/apis/core/v1/defaults.go.
"""

from collections.abc import Sequence
from typing import Any

from pybernetes.apimachinery import quantity

Object = dict[str, Any]

TERMINATION_SECONDS = 30
TOKEN_SECONDS = 3600
READABLE = 0o644
OVERCOMMITTABLE = ("cpu", "memory", "ephemeral-storage")


def pod(obj: Object) -> None:
    """A Pod: its spec, requests from limits, service links."""
    spec = obj.setdefault("spec", {})
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        _requests_from_limits(container.get("resources"))
    _pod_level_resources(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        _host_ports(spec.get("containers") or ())
        _host_ports(spec.get("initContainers") or ())
    pod_spec(spec)


def template(obj: Object | None) -> None:
    """A pod template, where there is one."""
    if obj is not None:
        obj.setdefault("metadata", {})
        spec = obj.setdefault("spec", {})
        if spec.get("hostNetwork"):
            _host_ports(spec.get("containers") or ())
            _host_ports(spec.get("initContainers") or ())
        pod_spec(spec)


def _requests_from_limits(resources: Object | None) -> None:
    limits = (resources or {}).get("limits")
    if resources and limits:
        requests = resources["requests"] = dict(resources.get("requests") or {})
        for name, value in limits.items():
            requests.setdefault(name, value)


def _pod_level_resources(spec: Object) -> None:
    resources = spec.get("resources")
    if not resources or not resources.get("limits"):
        return
    requests = resources["requests"] = dict(resources.get("requests") or {})
    containers = [one.get("resources") or {} for one in spec.get("containers") or ()]
    for name in (*OVERCOMMITTABLE[:2], *(key for key in resources["limits"] if key.startswith("hugepages-"))):
        if name in requests or name not in resources["limits"]:
            continue
        asked = [one["requests"][name] for one in containers if name in (one.get("requests") or {})]
        if not asked:
            requests[name] = resources["limits"][name]
        else:
            total = quantity.parse(str(asked[0]))
            for more in asked[1:]:
                total += quantity.parse(str(more))
            requests[name] = str(total)


def _host_ports(containers: Sequence[Object]) -> None:
    for container in containers:
        for port in container.get("ports") or ():
            if not port.get("hostPort"):
                port["hostPort"] = port.get("containerPort", 0)


def pod_spec(spec: Object) -> None:
    """A pod spec with everything in it."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = TERMINATION_SECONDS
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if spec.get("serviceAccountName") or spec.get("serviceAccount"):
        name = spec.get("serviceAccountName") or spec["serviceAccount"]
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = "Always" if image_tag(container.get("image", "")) == "latest" else "IfNotPresent"
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
        resource = (variable.get("valueFrom") or {}).get("resourceFieldRef")
        if resource is not None:
            resource.setdefault("divisor", "0")
        key = (variable.get("valueFrom") or {}).get("fileKeyRef")
        if key is not None:
            key.setdefault("optional", False)
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            _probe(container[field])
    lifecycle = container.get("lifecycle") or {}
    for field in ("postStart", "preStop"):
        _http((lifecycle.get(field) or {}).get("httpGet"))
    context = container.get("securityContext") or {}
    if context.get("procMount") == "":
        context["procMount"] = "Default"


def _probe(probe: Object) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _http(probe.get("httpGet"))
    grpc = probe.get("grpc")
    if grpc is not None:
        grpc.setdefault("service", "")


def _http(action: Object | None) -> None:
    if action is not None:
        action.setdefault("scheme", "HTTP")
        if not action.get("path"):
            action["path"] = "/"


def image_tag(image: str) -> str:
    """The tag of an image reference: `latest` when it names neither tag nor digest, "" when only a digest."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    _, colon, tag = last.partition(":")
    return tag if colon else ("" if digest else "latest")


def _volume(volume: Object) -> None:
    sources = [key for key in volume if key != "name"]
    if not any(volume[key] is not None for key in sources):
        volume["emptyDir"] = {}
        return
    for kind in sources:
        source = volume[kind]
        default = VOLUMES.get(kind)
        if default is not None and source is not None:
            default(source)


def _with_mode(source: Object) -> None:
    source.setdefault("defaultMode", READABLE)


def _downward(source: Object) -> None:
    _with_mode(source)
    _downward_items(source)


def _downward_items(source: Object) -> None:
    for item in source.get("items") or ():
        if item.get("fieldRef") is not None:
            item["fieldRef"].setdefault("apiVersion", "v1")
        if item.get("resourceFieldRef") is not None:
            item["resourceFieldRef"].setdefault("divisor", "0")


def _projected(source: Object) -> None:
    _with_mode(source)
    for part in source.get("sources") or ():
        if part.get("serviceAccountToken") is not None:
            part["serviceAccountToken"].setdefault("expirationSeconds", TOKEN_SECONDS)
        if part.get("podCertificate") is not None:
            part["podCertificate"].setdefault("maxExpirationSeconds", 86400)
        if part.get("downwardAPI") is not None:
            _downward_items(part["downwardAPI"])


def _host_path(source: Object) -> None:
    source.setdefault("type", "")


def iscsi(source: Object) -> None:
    """An iSCSI volume (of a Pod, or persistent)."""
    source.setdefault("iscsiInterface", "default")


def rbd(source: Object) -> None:
    """A Ceph block volume."""
    for field, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
        source.setdefault(field, value)


def azure_disk(source: Object) -> None:
    """An Azure disk."""
    for field, value in (("cachingMode", "ReadWrite"), ("kind", "Shared"), ("fsType", "ext4"), ("readOnly", False)):
        source.setdefault(field, value)


def scale_io(source: Object) -> None:
    """A ScaleIO volume."""
    source.setdefault("storageMode", "ThinProvisioned")
    source.setdefault("fsType", "xfs")


def _ephemeral(source: Object) -> None:
    claim = source.get("volumeClaimTemplate")
    if claim is not None:
        claim.setdefault("metadata", {})
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _image(source: Object) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = "Always" if image_tag(source.get("reference", "")) == "latest" else "IfNotPresent"


VOLUMES = {
    "configMap": _with_mode,
    "secret": _with_mode,
    "downwardAPI": _downward,
    "projected": _projected,
    "hostPath": _host_path,
    "iscsi": iscsi,
    "rbd": rbd,
    "azureDisk": azure_disk,
    "scaleIO": scale_io,
    "ephemeral": _ephemeral,
    "image": _image,
}
