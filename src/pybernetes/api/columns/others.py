"""Rows of everything that is neither a workload nor in the core group.

Pure.
Upstream: pkg/printers/internalversion.
"""

from typing import Any

from pybernetes.api.columns import table
from pybernetes.api.columns.core import EVENTS, MAX_SHOWN
from pybernetes.api.columns.table import AGE, CREATED_AT, NAME, NONE, Column, Object, column, dig, path
from pybernetes.apimachinery import timestamps


def _role(obj: Object) -> str:
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def _subjects(kind: str) -> Any:
    def cell(obj: Object) -> str:
        found = [one for one in obj.get("subjects") or () if one["kind"] == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{one.get('namespace', '')}/{one['name']}" for one in found)
        return ", ".join(one["name"] for one in found)

    return cell


BINDINGS: tuple[Column, ...] = (
    NAME,
    column("Role", _role),
    AGE,
    column("Users", _subjects("User"), wide=True),
    column("Groups", _subjects("Group"), wide=True),
    column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)


def _listed(values: list[str]) -> str:
    if not values:
        return NONE
    shown = ",".join(values[:MAX_SHOWN])
    return f"{shown} + {len(values) - MAX_SHOWN} more..." if len(values) > MAX_SHOWN else shown


def _slice_ports(obj: Object) -> str:
    ports = obj.get("ports") or ()
    if not ports:
        return table.UNSET
    return _listed([str(one["port"]) if one.get("port") is not None else "*" for one in ports])


def _slice_endpoints(obj: Object) -> str:
    found = obj.get("endpoints") or ()
    return _listed([address for one in found for address in one.get("addresses") or ()]) if found else table.UNSET


def _hosts(obj: Object) -> str:
    hosts = [rule["host"] for rule in obj["spec"].get("rules") or () if rule.get("host")]
    return _listed(hosts) if hosts else "*"


def _ingress_address(obj: Object) -> str:
    found = dig(obj, ("status", "loadBalancer", "ingress"), ())
    return ",".join(one.get("ip") or one.get("hostname") or "" for one in found)


def _reference(reference: Any) -> str:
    if not reference:
        return NONE
    kind = reference.get("kind", "")
    group = reference.get("apiGroup")
    return f"{kind}.{group}/{reference.get('name', '')}" if group else f"{kind}/{reference.get('name', '')}"


def _parent(obj: Object) -> str:
    parent = obj["spec"].get("parentRef") or {}
    parts = (parent.get("resource"), parent.get("group"), parent.get("namespace"), parent.get("name"))
    resource, group, namespace, name = (part or "" for part in parts)
    where = "/".join(filter(None, (namespace, name)))
    return f"{resource}.{group}/{where}" if group else f"{resource}/{where}"


def _boolean(name: str, dotted: str, default: bool = False) -> Column:
    return column(name, lambda obj: bool(dig(obj, dotted.split("."), default)), "boolean")


def _csr_condition(obj: Object) -> str:
    conditions = dig(obj, ("status", "conditions"), ())
    words = [word for word in ("Denied", "Approved", "Failed") if any(one["type"] == word for one in conditions)]
    shown = ",".join(words[:1] + words[2:] if words[:2] == ["Denied", "Approved"] else words) or "Pending"
    return f"{shown},Issued" if dig(obj, ("status", "certificate")) else shown


def _duration(obj: Object) -> str:
    seconds = dig(obj, ("spec", "expirationSeconds"))
    return NONE if seconds is None else timestamps.human_duration(seconds)


def _condition(obj: Object, kind: str) -> Object:
    found: Object = next((one for one in dig(obj, ("status", "conditions"), ()) if one["type"] == kind), {})
    return found


def _available(obj: Object) -> str:
    condition = _condition(obj, "Available")
    status = str(condition.get("status", "Unknown"))
    return f"{status} ({condition['reason']})" if status == "False" and condition.get("reason") else status


def _service(obj: Object) -> str:
    service = dig(obj, ("spec", "service"))
    return f"{service['namespace']}/{service['name']}" if service else "Local"


def _number(value: Any) -> str:
    return NONE if value is None else str(value)


def _claim_state(obj: Object) -> str:
    states = []
    if obj["metadata"].get("deletionTimestamp"):
        states.append("deleted")
    if dig(obj, ("status", "allocation")) is None:
        states.append("pending")
    else:
        states.append("allocated")
        if dig(obj, ("status", "reservedFor")):
            states.append("reserved")
    return ",".join(states)


def _count_of(name: str, *keys: str) -> Column:
    return column(name, lambda obj: len(dig(obj, keys, ())), "integer")


def _param_kind(obj: Object) -> str:
    kind = dig(obj, ("spec", "paramKind"))
    return f"{kind['apiVersion']}/{kind['kind']}" if kind else table.UNSET


def _param_ref(obj: Object) -> str:
    reference = dig(obj, ("spec", "paramRef"))
    if not reference:
        return table.UNSET
    if reference.get("name"):
        return "/".join(filter(None, (reference.get("namespace", "*"), reference["name"])))
    return table.label_selector(reference.get("selector"))


_LIMITED = ("spec", "limited")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "events": EVENTS,
    "apiservices": (NAME, column("Service", _service), column("Available", _available), AGE),
    "certificatesigningrequests": (
        NAME,
        AGE,
        path("SignerName", "spec.signerName", missing=NONE),
        path("Requestor", "spec.username"),
        column("RequestedDuration", _duration),
        column("Condition", _csr_condition),
    ),
    "clustertrustbundles": (NAME, path("SignerName", "spec.signerName")),
    "podcertificaterequests": (
        NAME,
        path("PodName", "spec.podName"),
        path("ServiceAccountName", "spec.serviceAccountName"),
        path("NodeName", "spec.nodeName"),
        path("SignerName", "spec.signerName"),
        column("State", lambda obj: next((one["type"] for one in dig(obj, ("status", "conditions"), ())), "Pending")),
        column("UnverifiedUserAnnotations", lambda obj: table.labels(dig(obj, ("spec", "unverifiedUserAnnotations")))),
    ),
    "ingressclasses": (
        NAME,
        path("Controller", "spec.controller"),
        column("Parameters", lambda obj: _reference(dig(obj, ("spec", "parameters")))),
        AGE,
    ),
    "ingresses": (
        NAME,
        path("Class", "spec.ingressClassName", missing=NONE),
        column("Hosts", _hosts),
        column("Address", _ingress_address),
        column("Ports", lambda obj: "80, 443" if obj["spec"].get("tls") else "80"),
        AGE,
    ),
    "ipaddresses": (NAME, column("ParentRef", _parent)),
    "networkpolicies": (
        NAME,
        column("Pod-Selector", lambda obj: table.label_selector(obj["spec"].get("podSelector"))),
        AGE,
    ),
    "servicecidrs": (NAME, column("CIDRs", lambda obj: ",".join(obj["spec"].get("cidrs") or ())), AGE),
    "clusterrolebindings": BINDINGS,
    "clusterroles": (NAME, CREATED_AT),
    "rolebindings": BINDINGS,
    "roles": (NAME, CREATED_AT),
    "csidrivers": (
        NAME,
        _boolean("AttachRequired", "spec.attachRequired", True),
        _boolean("PodInfoOnMount", "spec.podInfoOnMount"),
        _boolean("StorageCapacity", "spec.storageCapacity"),
        column(
            "TokenRequests",
            lambda obj: ",".join(one["audience"] for one in obj["spec"].get("tokenRequests") or ()) or table.UNSET,
        ),
        _boolean("RequiresRepublish", "spec.requiresRepublish"),
        column("Modes", lambda obj: ",".join(obj["spec"].get("volumeLifecycleModes") or ())),
        AGE,
    ),
    "csinodes": (NAME, _count_of("Drivers", "spec", "drivers"), AGE),
    "csistoragecapacities": (NAME, CREATED_AT),
    "storageclasses": (
        NAME,
        path("Provisioner", "provisioner"),
        path("ReclaimPolicy", "reclaimPolicy", missing="Delete"),
        path("VolumeBindingMode", "volumeBindingMode", missing=table.UNSET),
        column("AllowVolumeExpansion", lambda obj: str(bool(obj.get("allowVolumeExpansion"))).lower()),
        AGE,
    ),
    "volumeattachments": (
        NAME,
        Column("Attacher", lambda obj: dig(obj, ("spec", "attacher"), ""), format="name"),
        path("PV", "spec.source.persistentVolumeName"),
        path("Node", "spec.nodeName"),
        _boolean("Attached", "status.attached"),
        AGE,
    ),
    "volumeattributesclasses": (NAME, path("DriverName", "driverName"), AGE),
    "mutatingadmissionpolicies": (
        NAME,
        _count_of("Mutations", "spec", "mutations"),
        column("ParamKind", _param_kind),
        AGE,
    ),
    "mutatingadmissionpolicybindings": (
        NAME,
        path("PolicyName", "spec.policyName"),
        column("ParamRef", _param_ref),
        AGE,
    ),
    "mutatingwebhookconfigurations": (NAME, _count_of("Webhooks", "webhooks"), AGE),
    "validatingadmissionpolicies": (
        NAME,
        _count_of("Validations", "spec", "validations"),
        column("ParamKind", _param_kind),
        AGE,
    ),
    "validatingadmissionpolicybindings": (
        NAME,
        path("PolicyName", "spec.policyName"),
        column("ParamRef", _param_ref),
        AGE,
    ),
    "validatingwebhookconfigurations": (NAME, _count_of("Webhooks", "webhooks"), AGE),
    "customresourcedefinitions": (
        NAME,
        path("Scope", "spec.scope"),
        column("Versions", lambda obj: ",".join(one["name"] for one in obj["spec"].get("versions") or ())),
        CREATED_AT,
        path("Group", "spec.group", wide=True),
        path("Kind", "spec.names.kind", wide=True),
        column("ShortNames", lambda obj: ",".join(dig(obj, ("spec", "names", "shortNames"), ())), wide=True),
        column("Established", lambda obj: _condition(obj, "Established").get("status") == "True", "boolean", wide=True),
    ),
    "priorityclasses": (
        NAME,
        path("Value", "value", "integer", missing=0),
        _boolean("Global-Default", "globalDefault"),
        AGE,
        path("PreemptionPolicy", "preemptionPolicy", missing="PreemptLowerPriority"),
    ),
    "leases": (NAME, path("Holder", "spec.holderIdentity"), AGE),
    "runtimeclasses": (NAME, path("Handler", "handler"), AGE),
    "endpointslices": (
        NAME,
        path("AddressType", "addressType"),
        column("Ports", _slice_ports),
        column("Endpoints", _slice_endpoints),
        AGE,
    ),
    "deviceclasses": (NAME, AGE),
    "devicetaintrules": (
        NAME,
        path("Key", "spec.taint.key"),
        path("Value", "spec.taint.value"),
        path("Effect", "spec.taint.effect"),
        path("TimeAdded", "spec.taint.timeAdded"),
        AGE,
    ),
    "resourceclaims": (NAME, column("State", _claim_state), AGE),
    "resourceclaimtemplates": (NAME, AGE),
    "resourceslices": (
        NAME,
        path("Node", "spec.nodeName"),
        path("Driver", "spec.driver"),
        path("Pool", "spec.pool.name"),
        AGE,
    ),
    "flowschemas": (
        NAME,
        path("PriorityLevel", "spec.priorityLevelConfiguration.name"),
        column("MatchingPrecedence", lambda obj: str(dig(obj, ("spec", "matchingPrecedence"), 0))),
        path("DistinguisherMethod", "spec.distinguisherMethod.type", missing=NONE),
        AGE,
        column("MissingPL", lambda obj: _condition(obj, "Dangling").get("status", "?")),
    ),
    "prioritylevelconfigurations": (
        NAME,
        path("Type", "spec.type"),
        column("NominalConcurrencyShares", lambda obj: _number(dig(obj, (*_LIMITED, "nominalConcurrencyShares")))),
        column("Queues", lambda obj: _number(dig(obj, (*_LIMITED, "limitResponse", "queuing", "queues")))),
        column("HandSize", lambda obj: _number(dig(obj, (*_LIMITED, "limitResponse", "queuing", "handSize")))),
        column(
            "QueueLengthLimit",
            lambda obj: _number(dig(obj, (*_LIMITED, "limitResponse", "queuing", "queueLengthLimit"))),
        ),
        AGE,
    ),
    "storageversionmigrations": (
        Column("Name", lambda obj: obj["metadata"].get("name", "")),
        column(
            "Resource",
            lambda obj: ".".join(
                filter(
                    None, (dig(obj, ("spec", "resource", "resource"), ""), dig(obj, ("spec", "resource", "group"), ""))
                )
            ),
        ),
        column(
            "Status",
            lambda obj: next(
                (one["type"] for one in dig(obj, ("status", "conditions"), ()) if one.get("status") == "True"), ""
            ),
        ),
    ),
}
