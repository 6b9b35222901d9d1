"""THE table of kinds: names, scope, verbs, subresources of everything that is served.

Adding a built-in kind is a row here (and code only where it differs: defaults, validation, strategy, columns). Rows of
custom resources are added to the same table at run time.
Upstream: pkg/controlplane/instance.go, pkg/registry/*/rest.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pybernetes.apimachinery import gvk as names

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_UPDATE = ("get", "patch", "update")
CREATE = ("create",)
CONNECT = ("create", "get")
ANY_METHOD = ("create", "delete", "get", "patch", "update")
ALL = ("all",)
EXTENSIONS = ("api-extensions",)


@dataclasses.dataclass(frozen=True, slots=True)
class Subresource:
    """A part of a kind with its own path: `status`, `scale`, `log`; `group/version/kind` name its body."""

    name: str
    verbs: tuple[str, ...]
    group: str
    version: str
    kind: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CustomVersion:
    """What a CustomResourceDefinition says of one of its versions, beside names.

    `columns` are its additionalPrinterColumns, `scale` where replicas wanted, replicas there and the selector are.
    """

    schema: Mapping[str, Any]
    columns: tuple[Mapping[str, Any], ...] = ()
    selectable_fields: tuple[str, ...] = ()
    scale: tuple[str, str, str] | None = None
    deprecation: str = ""
    terminating: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One served resource in one version.

    `storage_group`/`storage_version` name the form in which objects of the resource are stored; rows that share
    a `storage_key` are views of the same objects. Rows that a CustomResourceDefinition added have a `custom`.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = READ_WRITE
    subresources: tuple[Subresource, ...] = ()
    storage_group: str = ""
    storage_version: str = ""
    storage_key: str = ""
    list_kind: str = ""
    custom: CustomVersion | None = None

    @property
    def gvk(self) -> names.GroupVersionKind:
        """Group, version and kind as one value."""
        return names.GroupVersionKind(self.group, self.version, self.kind)

    @property
    def group_resource(self) -> names.GroupResource:
        """Group and plural as error texts name them."""
        return names.GroupResource(self.group, self.plural)

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`: as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def subresource(self, name: str) -> Subresource | None:
        """The row's subresource of that name, if it has one."""
        return next((sub for sub in self.subresources if sub.name == name), None)


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """A subresource before its kind is known: an empty group, version or kind means the parent's."""

    name: str
    verbs: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""


_sub = _Part
STATUS = _sub("status", READ_UPDATE)
SCALE = _sub("scale", READ_UPDATE, kind="Scale", group="autoscaling", version="v1")


def _kind(
    group: str,
    version: str,
    kind: str,
    plural: str,
    *,
    namespaced: bool = True,
    singular: str | None = None,
    short: Sequence[str] = (),
    categories: Sequence[str] = (),
    verbs: Sequence[str] = READ_WRITE,
    subresources: Sequence[_Part] = (),
    storage_group: str | None = None,
    storage_version: str | None = None,
    storage_key: str | None = None,
) -> Kind:
    def whole(part: _Part) -> Subresource:
        own = not part.version
        return Subresource(
            part.name, part.verbs, group if own else part.group, version if own else part.version, part.kind or kind
        )

    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=kind.lower() if singular is None else singular,
        namespaced=namespaced,
        short_names=tuple(short),
        categories=tuple(categories),
        verbs=tuple(verbs),
        subresources=tuple(whole(part) for part in subresources),
        storage_group=group if storage_group is None else storage_group,
        storage_version=storage_version or version,
        storage_key=storage_key or plural,
        list_kind=f"{kind}List",
    )


BUILT_IN: tuple[Kind, ...] = (
    _kind("", "v1", "Binding", "bindings", verbs=CREATE),
    _kind("", "v1", "ComponentStatus", "componentstatuses", namespaced=False, short=("cs",), verbs=("get", "list")),
    _kind("", "v1", "ConfigMap", "configmaps", short=("cm",)),
    _kind("", "v1", "Endpoints", "endpoints", short=("ep",), storage_key="services/endpoints"),
    _kind("", "v1", "Event", "events", short=("ev",)),
    _kind("", "v1", "LimitRange", "limitranges", short=("limits",)),
    _kind(
        "",
        "v1",
        "Namespace",
        "namespaces",
        namespaced=False,
        short=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources=(_sub("finalize", ("update",)), STATUS),
    ),
    _kind(
        "",
        "v1",
        "Node",
        "nodes",
        namespaced=False,
        short=("no",),
        subresources=(_sub("proxy", ANY_METHOD, kind="NodeProxyOptions"), STATUS),
        storage_key="minions",
    ),
    _kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short=("pvc",), subresources=(STATUS,)),
    _kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False, short=("pv",), subresources=(STATUS,)),
    _kind(
        "",
        "v1",
        "Pod",
        "pods",
        short=("po",),
        categories=ALL,
        subresources=(
            _sub("attach", CONNECT, kind="PodAttachOptions"),
            _sub("binding", CREATE, kind="Binding"),
            _sub("ephemeralcontainers", READ_UPDATE),
            _sub("eviction", CREATE, kind="Eviction", group="policy", version="v1"),
            _sub("exec", CONNECT, kind="PodExecOptions"),
            _sub("log", ("get",)),
            _sub("portforward", CONNECT, kind="PodPortForwardOptions"),
            _sub("proxy", ANY_METHOD, kind="PodProxyOptions"),
            _sub("resize", READ_UPDATE),
            STATUS,
        ),
    ),
    _kind("", "v1", "PodTemplate", "podtemplates"),
    _kind(
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        short=("rc",),
        categories=ALL,
        subresources=(SCALE, STATUS),
        storage_key="controllers",
    ),
    _kind("", "v1", "ResourceQuota", "resourcequotas", short=("quota",), subresources=(STATUS,)),
    _kind("", "v1", "Secret", "secrets"),
    _kind(
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        short=("sa",),
        subresources=(_sub("token", CREATE, kind="TokenRequest", group="authentication.k8s.io", version="v1"),),
    ),
    _kind(
        "",
        "v1",
        "Service",
        "services",
        short=("svc",),
        categories=ALL,
        subresources=(_sub("proxy", ANY_METHOD, kind="ServiceProxyOptions"), STATUS),
        storage_key="services/specs",
    ),
    _kind(
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        namespaced=False,
        categories=EXTENSIONS,
        subresources=(STATUS,),
        storage_key="apiregistration.k8s.io/apiservices",
    ),
    _kind("apps", "v1", "ControllerRevision", "controllerrevisions"),
    _kind("apps", "v1", "DaemonSet", "daemonsets", short=("ds",), categories=ALL, subresources=(STATUS,)),
    _kind("apps", "v1", "Deployment", "deployments", short=("deploy",), categories=ALL, subresources=(SCALE, STATUS)),
    _kind("apps", "v1", "ReplicaSet", "replicasets", short=("rs",), categories=ALL, subresources=(SCALE, STATUS)),
    _kind("apps", "v1", "StatefulSet", "statefulsets", short=("sts",), categories=ALL, subresources=(SCALE, STATUS)),
    _kind("events.k8s.io", "v1", "Event", "events", short=("ev",), storage_group="", storage_version="v1"),
    _kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=CREATE),
    _kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=CREATE),
    _kind("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", verbs=CREATE),
    _kind(
        "authorization.k8s.io",
        "v1",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        namespaced=False,
        verbs=CREATE,
    ),
    _kind(
        "authorization.k8s.io",
        "v1",
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        namespaced=False,
        verbs=CREATE,
    ),
    _kind("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False, verbs=CREATE),
    _kind(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short=("hpa",),
        categories=ALL,
        subresources=(STATUS,),
    ),
    _kind(
        "autoscaling",
        "v1",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        short=("hpa",),
        categories=ALL,
        subresources=(STATUS,),
        storage_version="v2",
    ),
    _kind("batch", "v1", "CronJob", "cronjobs", short=("cj",), categories=ALL, subresources=(STATUS,)),
    _kind("batch", "v1", "Job", "jobs", categories=ALL, subresources=(STATUS,)),
    _kind(
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        namespaced=False,
        short=("csr",),
        subresources=(_sub("approval", READ_UPDATE), STATUS),
    ),
    _kind("certificates.k8s.io", "v1", "ClusterTrustBundle", "clustertrustbundles", namespaced=False),
    _kind("certificates.k8s.io", "v1", "PodCertificateRequest", "podcertificaterequests", subresources=(STATUS,)),
    _kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False),
    _kind(
        "networking.k8s.io", "v1", "Ingress", "ingresses", short=("ing",), subresources=(STATUS,), storage_key="ingress"
    ),
    _kind("networking.k8s.io", "v1", "IPAddress", "ipaddresses", namespaced=False, short=("ip",)),
    _kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", short=("netpol",)),
    _kind("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", namespaced=False, subresources=(STATUS,)),
    _kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", short=("pdb",), subresources=(STATUS,)),
    _kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
    _kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    _kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    _kind("storage.k8s.io", "v1", "CSIDriver", "csidrivers", namespaced=False),
    _kind("storage.k8s.io", "v1", "CSINode", "csinodes", namespaced=False, subresources=(STATUS,)),
    _kind("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities"),
    _kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False, short=("sc",)),
    _kind("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", namespaced=False, subresources=(STATUS,)),
    _kind("storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses", namespaced=False, short=("vac",)),
    _kind(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _kind(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _kind(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        namespaced=False,
        categories=EXTENSIONS,
        subresources=(STATUS,),
    ),
    _kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short=("crd", "crds"),
        categories=EXTENSIONS,
        subresources=(STATUS,),
        storage_key="apiextensions.k8s.io/customresourcedefinitions",
    ),
    _kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short=("pc",)),
    _kind("coordination.k8s.io", "v1", "Lease", "leases"),
    _kind("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False),
    _kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    _kind("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", namespaced=False),
    _kind("resource.k8s.io", "v1", "DeviceTaintRule", "devicetaintrules", namespaced=False, subresources=(STATUS,)),
    _kind("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", subresources=(STATUS,)),
    _kind("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    _kind("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", namespaced=False),
    _kind("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas", namespaced=False, subresources=(STATUS,)),
    _kind(
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        namespaced=False,
        subresources=(STATUS,),
    ),
    _kind(
        "storagemigration.k8s.io",
        "v1",
        "StorageVersionMigration",
        "storageversionmigrations",
        namespaced=False,
        subresources=(STATUS,),
    ),
)
"""Every kind that v1.37 serves by default, in the order of discovery."""


class KindTable:
    """The rows that are served now, found by resource or by kind."""

    def __init__(self, rows: Sequence[Kind] = BUILT_IN) -> None:
        self._by_resource: dict[tuple[str, str, str], Kind] = {}
        self._by_kind: dict[tuple[str, str, str], Kind] = {}
        self.generation = 0
        """Counts changes, so that what is derived from the table knows when it is stale."""
        for row in rows:
            self.add(row)

    def add(self, row: Kind) -> None:
        """Serve a kind (or serve it differently)."""
        self._by_resource[(row.group, row.version, row.plural)] = row
        self._by_kind[(row.group, row.version, row.kind)] = row
        self.generation += 1

    def remove(self, row: Kind) -> None:
        """Serve a kind no more."""
        del self._by_resource[(row.group, row.version, row.plural)]
        del self._by_kind[(row.group, row.version, row.kind)]
        self.generation += 1

    def by_resource(self, group: str, version: str, plural: str) -> Kind | None:
        """The row behind `/apis/GROUP/VERSION/PLURAL`."""
        return self._by_resource.get((group, version, plural))

    def by_gvk(self, group: str, version: str, kind: str) -> Kind | None:
        """The row of a kind."""
        return self._by_kind.get((group, version, kind))

    def all(self) -> Iterator[Kind]:
        """Every row in the order of discovery."""
        return iter(tuple(self._by_resource.values()))

    def groups(self) -> dict[str, list[str]]:
        """Each group with its versions, preferred one first, in the order of discovery."""
        found: dict[str, list[str]] = {}
        for row in self._by_resource.values():
            versions = found.setdefault(row.group, [])
            if row.version not in versions:
                versions.append(row.version)
        return found

    def resources(self, group: str, version: str) -> list[Kind]:
        """The rows of one group version, in order."""
        return [row for row in self._by_resource.values() if (row.group, row.version) == (group, version)]

    def stored_as(self, row: Kind) -> Kind:
        """The row in whose form objects of this row are stored (often the row itself)."""
        if (row.group, row.version) == (row.storage_group, row.storage_version):
            return row
        return self._by_kind[(row.storage_group, row.storage_version, row.kind)]


TABLE = KindTable()
"""The built-in kinds. A server that serves more copies it: `KindTable(tuple(TABLE.all()))`."""
