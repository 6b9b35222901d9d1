"""Rows of the core group except Pods.

Pure.
Upstream: pkg/printers/internalversion.
"""

from typing import Any

from pybernetes.api.columns import table
from pybernetes.api.columns.table import AGE, CREATED_AT, NAME, NONE, Column, Object, column, dig, path
from pybernetes.apimachinery import quantity

ACCESS_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"
MAX_SHOWN = 3


def _node_status(node: Object) -> str:
    ready = next((one for one in dig(node, ("status", "conditions"), ()) if one["type"] == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"]
    if dig(node, ("spec", "unschedulable")):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Object) -> str:
    roles = set()
    for key, value in (node["metadata"].get("labels") or {}).items():
        if key.startswith(ROLE_PREFIX) and len(key) > len(ROLE_PREFIX):
            roles.add(key.removeprefix(ROLE_PREFIX))
        elif key == ROLE_LABEL and value:
            roles.add(value)
    return ",".join(sorted(roles)) or NONE


def _node_address(kind: str) -> Any:
    def cell(node: Object) -> str:
        addresses = dig(node, ("status", "addresses"), ())
        return next((str(one["address"]) for one in addresses if one["type"] == kind), NONE)

    return cell


def _kernel(node: Object) -> str:
    version = dig(node, ("status", "nodeInfo", "kernelVersion")) or table.UNKNOWN
    architecture = dig(node, ("status", "nodeInfo", "architecture"))
    return f"{version} ({architecture})" if architecture else str(version)


def _external(service: Object) -> str:
    spec = service["spec"]
    declared = ",".join(spec.get("externalIPs") or ())
    match spec.get("type", "ClusterIP"):
        case "LoadBalancer":
            ingress = dig(service, ("status", "loadBalancer", "ingress"), ())
            given = ",".join(one.get("ip") or one.get("hostname") or "" for one in ingress)
            return ",".join(filter(None, (given, declared))) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName") or "")
    return declared or NONE


def _service_ports(service: Object) -> str:
    def one(port: Object) -> str:
        shown = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else str(port["port"])
        return f"{shown}/{port.get('protocol', 'TCP')}"

    return ",".join(one(port) for port in service["spec"].get("ports") or ()) or NONE


def _cluster_ip(service: Object) -> str:
    if service["spec"].get("type") == "ExternalName":
        return NONE
    addresses = service["spec"].get("clusterIPs") or ()
    return str(addresses[0]) if addresses else str(service["spec"].get("clusterIP") or NONE)


def endpoints(obj: Object) -> str:
    """`10.0.0.1:80,10.0.0.2:80 + 3 more...`."""
    subsets = obj.get("subsets") or ()
    if not subsets:
        return NONE
    found: list[str] = []
    count = 0
    for subset in subsets:
        ports = subset.get("ports") or ()
        addresses = [one["ip"] for one in subset.get("addresses") or ()]
        pairs = [_join(ip, port["port"]) for port in ports for ip in addresses] if ports else addresses
        count += len(pairs)
        found += pairs
    shown = ",".join(found[:MAX_SHOWN])
    return f"{shown} + {count - MAX_SHOWN} more..." if count > MAX_SHOWN else shown or NONE


def _join(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _event_object(event: Object) -> str:
    involved = event.get("involvedObject") or event.get("regarding") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(event: Object) -> str:
    source = event.get("source") or event.get("deprecatedSource") or {}
    component = source.get("component") or event.get("reportingComponent") or event.get("reportingController") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def _last_seen(event: Object) -> table.Ago | str:
    last = event.get("lastTimestamp") or event.get("deprecatedLastTimestamp") or event.get("eventTime")
    series = event.get("series") or {}
    return table.since(series.get("lastObservedTime") or last)


def _first_seen(event: Object) -> table.Ago | str:
    first = event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    return table.since(first)


def _event_count(event: Object) -> str:
    count = event.get("count") or event.get("deprecatedCount") or (event.get("series") or {}).get("count") or 1
    return str(count)


EVENTS: tuple[Column, ...] = (
    Column("Last Seen", _last_seen),
    path("Type", "type"),
    path("Reason", "reason"),
    column("Object", _event_object),
    column(
        "Subobject",
        lambda obj: dig(obj, ("involvedObject", "fieldPath")) or dig(obj, ("regarding", "fieldPath"), ""),
        wide=True,
    ),
    column("Source", _event_source, wide=True),
    column("Message", lambda obj: str(obj.get("message") or obj.get("note") or "").strip()),
    Column("First Seen", _first_seen, priority=1),
    column("Count", _event_count, wide=True),
    Column("Name", lambda obj: obj["metadata"]["name"], format="name", priority=1),
)


def _capacity(obj: Object) -> str:
    return str(dig(obj, ("spec", "capacity", "storage"), ""))


def _modes(modes: Any) -> str:
    return ",".join(ACCESS_MODES.get(mode, mode) for mode in modes or ())


def _claim_capacity(obj: Object) -> str:
    bound = dig(obj, ("spec", "volumeName"))
    return str(dig(obj, ("status", "capacity", "storage"), "")) if bound else ""


def _phase(obj: Object) -> str:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else str(dig(obj, ("status", "phase"), ""))


def _class(obj: Object) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get("volume.beta.kubernetes.io/storage-class") or dig(obj, ("spec", "storageClassName"), ""))


def _claim(obj: Object) -> str:
    claim = dig(obj, ("spec", "claimRef"))
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _quota(prefix: str) -> Any:
    def cell(obj: Object) -> str:
        used, hard = dig(obj, ("status", "used"), {}), dig(obj, ("status", "hard"), {})
        names = [name for name in sorted(hard) if name.startswith("limits.") == (prefix == "limits.")]
        return ", ".join(
            f"{name}: {quantity.parse(used.get(name, '0'))}/{quantity.parse(hard[name])}" for name in names
        )

    return cell


def _component(obj: Object, field: str) -> str:
    healthy: Object = next((one for one in obj.get("conditions") or () if one["type"] == "Healthy"), {})
    return str(healthy.get(field, ""))


def _component_status(obj: Object) -> str:
    return {"True": "Healthy", "False": "Unhealthy"}.get(_component(obj, "status"), "Unknown")


COLUMNS: dict[str, tuple[Column, ...]] = {
    "componentstatuses": (
        NAME,
        column("Status", _component_status),
        column("Message", lambda obj: _component(obj, "message")),
        column("Error", lambda obj: _component(obj, "error")),
    ),
    "configmaps": (
        NAME,
        column("Data", lambda obj: str(len(obj.get("data") or ()) + len(obj.get("binaryData") or ()))),
        AGE,
    ),
    "endpoints": (NAME, column("Endpoints", endpoints), AGE),
    "events": EVENTS,
    "limitranges": (NAME, CREATED_AT),
    "namespaces": (NAME, path("Status", "status.phase"), AGE),
    "nodes": (
        NAME,
        column("Status", _node_status),
        column("Roles", _node_roles),
        AGE,
        path("Version", "status.nodeInfo.kubeletVersion"),
        column("Internal-IP", _node_address("InternalIP"), wide=True),
        column("External-IP", _node_address("ExternalIP"), wide=True),
        path("OS-Image", "status.nodeInfo.osImage", missing=table.UNKNOWN, wide=True),
        column("Kernel-Version", _kernel, wide=True),
        path("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", missing=table.UNKNOWN, wide=True),
    ),
    "persistentvolumeclaims": (
        NAME,
        column("Status", _phase),
        path("Volume", "spec.volumeName"),
        column("Capacity", _claim_capacity),
        column(
            "Access Modes",
            lambda obj: _modes(dig(obj, ("status", "accessModes"))) if dig(obj, ("spec", "volumeName")) else "",
        ),
        column("StorageClass", _class),
        path("VolumeAttributesClass", "spec.volumeAttributesClassName", missing=table.UNSET),
        AGE,
        path("VolumeMode", "spec.volumeMode", missing=table.UNSET, wide=True),
    ),
    "persistentvolumes": (
        NAME,
        column("Capacity", _capacity),
        column("Access Modes", lambda obj: _modes(dig(obj, ("spec", "accessModes")))),
        path("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
        column("Status", _phase),
        column("Claim", _claim),
        column("StorageClass", _class),
        path("VolumeAttributesClass", "spec.volumeAttributesClassName", missing=table.UNSET),
        path("Reason", "status.reason"),
        AGE,
        path("VolumeMode", "spec.volumeMode", missing=table.UNSET, wide=True),
    ),
    "podtemplates": (
        NAME,
        column("Containers", lambda obj: table.containers(dig(obj, ("template", "spec", "containers")))[0]),
        column("Images", lambda obj: table.containers(dig(obj, ("template", "spec", "containers")))[1]),
        column("Pod Labels", lambda obj: table.labels(dig(obj, ("template", "metadata", "labels")))),
    ),
    "resourcequotas": (NAME, column("Request", _quota("")), column("Limit", _quota("limits.")), AGE),
    "secrets": (NAME, path("Type", "type"), column("Data", lambda obj: str(len(obj.get("data") or ()))), AGE),
    "serviceaccounts": (NAME, AGE),
    "services": (
        NAME,
        path("Type", "spec.type"),
        column("Cluster-IP", _cluster_ip),
        column("External-IP", _external),
        column("Port(s)", _service_ports),
        AGE,
        column("Selector", lambda obj: table.labels(obj["spec"].get("selector")), wide=True),
    ),
}
