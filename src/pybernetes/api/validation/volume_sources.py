"""Sources of volumes that Pods and persistent volumes share: disks, network file systems, drivers.

A persistent volume asks a little more of some of them (`persistent=True`).

Upstream: pkg/apis/core/validation (validateNFSVolumeSource and its many siblings). Pure.
"""

import re
from collections.abc import Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

ISCSI_TOO_LONG = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)
ISCSI_NAMES = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([0-9A-Za-z.-]+)(:[^,;*&$|\s]+)$").search,
    "eui": re.compile(r"eui.[0-9A-Za-z]{16}").fullmatch,
    "naa": re.compile(r"naa.[0-9A-Za-z]{32}").fullmatch,
}
CACHING = ("None", "ReadOnly", "ReadWrite")
DISK_KINDS = ("Dedicated", "Managed", "Shared")
MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
HOST_PORT = "must be a host:port pair or multiple pairs separated by commas"

_host_port = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*").fullmatch


def need(found: fieldpath.ErrorList, where: str, given: Object, fields: Sequence[str]) -> None:
    """Fields that must not be empty."""
    for name in fields:
        if not given.get(name):
            found.append(fieldpath.required(f"{where}.{name}"))


def _secret_ref(found: fieldpath.ErrorList, where: str, given: Object, *, persistent: bool = False) -> None:
    if given.get("secretRef") is not None:
        need(found, where + ".secretRef", given["secretRef"], ("name", "namespace") if persistent else ("name",))


def gce_disk(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A disk of Google's cloud."""
    need(found, where, given, ("pdName",))
    _partition(found, where, given)


def aws_disk(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A disk of Amazon's cloud."""
    need(found, where, given, ("volumeID",))
    _partition(found, where, given)


def _partition(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    number = given.get("partition", 0)
    if not 0 <= number <= 255:
        found.append(fieldpath.invalid(where + ".partition", number, "must be between 1 and 255, inclusive"))


def nfs(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A folder of a file server."""
    need(found, where, given, ("server", "path"))
    if not (given.get("path") or "").startswith("/"):
        found.append(fieldpath.invalid(where + ".path", given.get("path") or "", "must be an absolute path"))


def iscsi(found: fieldpath.ErrorList, where: str, given: Object, *, persistent: bool = False, volume: str = "") -> None:
    """A disk over the network."""
    need(found, where, given, ("targetPortal",))
    initiator, portal = given.get("initiatorName"), given.get("targetPortal") or ""
    if persistent and initiator is not None and len(f"{volume}:{portal}") > 64:
        found.append(fieldpath.invalid(where + ".targetportal", portal, ISCSI_TOO_LONG))
    start = "must be valid format" if persistent else "must be valid format starting with iqn, eui, or naa"
    if not given.get("iqn"):
        found.append(fieldpath.required(where + ".iqn"))
    else:
        _iscsi_name(found, where + ".iqn", given["iqn"], start)
    lun = given.get("lun", 0)
    if not 0 <= lun <= 255:
        found.append(fieldpath.invalid(where + ".lun", lun, "must be between 0 and 255, inclusive"))
    authenticated = given.get("chapAuthDiscovery") or given.get("chapAuthSession")
    if authenticated and given.get("secretRef") is None:
        found.append(fieldpath.required(where + ".secretRef"))
    if persistent:
        _secret_ref(found, where, given)
    if initiator is not None:
        _iscsi_name(found, where + ".initiatorname", initiator, start)


def _iscsi_name(found: fieldpath.ErrorList, where: str, name: str, start: str) -> None:
    check = ISCSI_NAMES.get(name[:3])
    if check is None:
        found.append(fieldpath.invalid(where, name, start))
    elif not check(name):
        found.append(fieldpath.invalid(where, name, "must be valid format"))


def glusterfs(found: fieldpath.ErrorList, where: str, given: Object, *, persistent: bool = False) -> None:
    """A GlusterFS volume."""
    need(found, where, given, ("endpoints", "path"))
    namespace = given.get("endpointsNamespace")
    if persistent and namespace is not None:
        place = where + ".endpointsNamespace"
        if not namespace:
            text = "if the endpointnamespace is set, it must be a valid namespace name"
            found.append(fieldpath.invalid(place, namespace, text))
        else:
            formats.each(found, place, namespace, formats.dns_label)


def flocker(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A Flocker data set."""
    name, uid = given.get("datasetName") or "", given.get("datasetUUID")
    if not name and not uid:
        found.append(fieldpath.required(where, "one of datasetName and datasetUUID is required"))
    if name and uid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        found.append(fieldpath.invalid(where, "resource", text))
    if "/" in name:
        found.append(fieldpath.invalid(where + ".datasetName", name, "must not contain '/'"))


def rbd(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A Ceph block device."""
    need(found, where, given, ("monitors", "image"))


def cinder(found: fieldpath.ErrorList, where: str, given: Object, *, persistent: bool = False) -> None:
    """A disk of OpenStack."""
    need(found, where, given, ("volumeID",))
    _secret_ref(found, where, given, persistent=persistent)


def cephfs(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A Ceph file system."""
    need(found, where, given, ("monitors",))


def quobyte(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A Quobyte volume."""
    registry = given.get("registry") or ""
    if not registry:
        found.append(fieldpath.required(where + ".registry", HOST_PORT))
    elif len(given.get("tenant") or "") >= 65:
        text = "must be a UUID and may not exceed a length of 64 characters"
        found.append(fieldpath.required(where + ".tenant", text))
    else:
        for pair in registry.split(","):
            if not _host_port(pair):
                found.append(fieldpath.invalid(where + ".registry", registry, HOST_PORT))
    need(found, where, given, ("volume",))


def fibre_channel(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A fibre channel disk."""
    targets, ids, lun = given.get("targetWWNs"), given.get("wwids"), given.get("lun")
    if not targets and not ids:
        text = "must specify either targetWWNs or wwids, but not both"
        found.append(fieldpath.required(where + ".targetWWNs", text))
    if targets and ids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        found.append(fieldpath.invalid(where + ".targetWWNs", targets, text))
    if targets and lun is None:
        found.append(fieldpath.required(where + ".lun", "lun is required if targetWWNs is specified"))
    elif targets and lun is not None and not 0 <= lun <= 255:
        found.append(fieldpath.invalid(where + ".lun", lun, "must be between 0 and 255, inclusive"))


def flex(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A volume of an out-of-tree driver of the old kind."""
    need(found, where, given, ("driver",))
    for key in given.get("options") or ():
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            found.append(fieldpath.invalid(f"{where}.options[{key}]", key, text))


def azure_file(found: fieldpath.ErrorList, where: str, given: Object, *, persistent: bool = False) -> None:
    """A share of Microsoft's cloud."""
    need(found, where, given, ("secretName", "shareName"))
    if persistent and given.get("secretNamespace") == "":
        found.append(fieldpath.required(where + ".secretNamespace"))


def vsphere(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A disk of vSphere."""
    need(found, where, given, ("volumePath",))


def photon(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A disk of a Photon controller."""
    need(found, where, given, ("pdID",))


def portworx(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A Portworx volume."""
    need(found, where, given, ("volumeID",))


def azure_disk(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A disk of Microsoft's cloud."""
    need(found, where, given, ("diskName", "diskURI"))
    kind, uri = given.get("kind"), given.get("diskURI") or ""
    if given.get("cachingMode") is not None:
        formats.supported(found, where + ".cachingMode", given["cachingMode"], CACHING)
    if kind is None:
        return
    formats.supported(found, where + ".kind", kind, DISK_KINDS)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        found.append(fieldpath.not_supported(where + ".diskURI", uri, (MANAGED_URI,)))
    if kind != "Managed" and not uri.startswith("https://"):
        found.append(fieldpath.not_supported(where + ".diskURI", uri, (BLOB_URI,)))


def storage_os(found: fieldpath.ErrorList, where: str, given: Object, *, persistent: bool = False) -> None:
    """A StorageOS volume."""
    formats.required_name(found, where + ".volumeName", given.get("volumeName"), formats.dns_label)
    if given.get("volumeNamespace"):
        formats.each(found, where + ".volumeNamespace", given["volumeNamespace"], formats.dns_label)
    _secret_ref(found, where, given, persistent=persistent)


def scale_io(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A ScaleIO volume."""
    need(found, where, given, ("gateway", "system", "volumeName"))


def csi_driver_name(found: fieldpath.ErrorList, where: str, name: str) -> None:
    """The name by which a CSI driver registers."""
    if not name:
        found.append(fieldpath.required(where))
        return
    if len(name) > 63:
        found.append(fieldpath.too_long(where, "", 63))
    for message in formats.dns_subdomain(name.lower()):
        found.append(fieldpath.invalid(where, name, message))
