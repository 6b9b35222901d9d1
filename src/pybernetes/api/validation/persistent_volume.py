"""PersistentVolumes: exactly one source, a capacity, ways to be mounted.

Upstream: pkg/apis/core/validation (ValidatePersistentVolume…). Pure.
"""

import functools
import posixpath
from collections.abc import Callable

from pybernetes.api.validation import affinity, claims, formats, godiff, volume_sources, volumes
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

RECLAIM = ("Delete", "Recycle", "Retain")
TOO_MANY = "may not specify more than 1 volume type"
INLINE = "may not be specified in the context of inline volumes"
SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
Check = Callable[[fieldpath.ErrorList, str, Object], None]


def _local(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("path"):
        found.append(fieldpath.required(where + ".path"))
    else:
        formats.back_steps(found, where + ".path", given["path"])


def _csi(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    volume_sources.csi_driver_name(found, where + ".driver", given.get("driver") or "")
    if not given.get("volumeHandle"):
        found.append(fieldpath.required(where + ".volumeHandle"))
    for field in SECRETS:
        if given.get(field) is not None:
            place, secret = f"{where}.{field}", given[field]
            formats.required_name(found, place + ".name", secret.get("name"), formats.dns_subdomain)
            formats.required_name(found, place + ".namespace", secret.get("namespace"), formats.dns_label)


SOURCES: dict[str, Check] = {
    "hostPath": volumes.host_path,
    "gcePersistentDisk": volume_sources.gce_disk,
    "awsElasticBlockStore": volume_sources.aws_disk,
    "glusterfs": functools.partial(volume_sources.glusterfs, persistent=True),
    "flocker": volume_sources.flocker,
    "nfs": volume_sources.nfs,
    "rbd": volume_sources.rbd,
    "quobyte": volume_sources.quobyte,
    "cephfs": volume_sources.cephfs,
    "iscsi": functools.partial(volume_sources.iscsi, persistent=True),
    "cinder": functools.partial(volume_sources.cinder, persistent=True),
    "fc": volume_sources.fibre_channel,
    "flexVolume": volume_sources.flex,
    "azureFile": functools.partial(volume_sources.azure_file, persistent=True),
    "vsphereVolume": volume_sources.vsphere,
    "photonPersistentDisk": volume_sources.photon,
    "portworxVolume": volume_sources.portworx,
    "azureDisk": volume_sources.azure_disk,
    "scaleIO": volume_sources.scale_io,
    "local": _local,
    "storageos": functools.partial(volume_sources.storage_os, persistent=True),
    "csi": _csi,
}


def volume(found: fieldpath.ErrorList, obj: Object) -> None:
    """A volume."""
    volume_spec(found, "spec", obj.get("spec") or {}, obj["metadata"].get("name") or "")


def volume_spec(found: fieldpath.ErrorList, where: str, spec: Object, name: str, *, inline: bool = False) -> None:
    """The spec of a volume, or of one inside a VolumeAttachment."""
    if inline:
        for field in ("claimRef", "capacity"):
            if spec.get(field):
                found.append(fieldpath.forbidden(f"{where}.{field}", INLINE))
        if spec.get("csi") is None:
            text = "has to be specified in the context of inline volumes"
            found.append(fieldpath.required(where + ".csi", text))
    modes = spec.get("accessModes")
    if not modes:
        found.append(fieldpath.required(where + ".accessModes"))
    claims.access_modes(found, where + ".accessModes", modes or [])
    if not inline:
        _capacity(found, where + ".capacity", spec.get("capacity") or {})
    _reclaim_policy(found, where + ".persistentVolumeReclaimPolicy", spec, inline=inline)
    nodes = spec.get("nodeAffinity")
    if nodes is not None and inline:
        found.append(fieldpath.forbidden(where + ".nodeAffinity", INLINE))
    elif nodes is not None and nodes.get("required") is None:
        text = "must specify required node constraints"
        found.append(fieldpath.required(where + ".nodeAffinity.required", text))
    elif nodes is not None:
        affinity.node_selector(found, where + ".nodeAffinity.required", nodes["required"])
    _source(found, where, spec, name)
    _classes(found, where, spec, inline=inline)


def _capacity(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given:
        found.append(fieldpath.required(where))
    if set(given) != {"storage"}:
        shown = {name: str(formats.amount(given[name])) for name in sorted(given)} or None
        found.append(fieldpath.not_supported(where, shown, ("storage",)))
    for name, value in given.items():
        amount = formats.amount(value)
        if amount.value() < 0:
            text = "must be a valid resource quantity"
            found.append(fieldpath.invalid(f"{where}[{name}]", amount.value(), text))
        if amount.nano <= 0:
            found.append(fieldpath.invalid(f"{where}[{name}]", str(amount), formats.NOT_POSITIVE))


def _reclaim_policy(found: fieldpath.ErrorList, where: str, spec: Object, *, inline: bool) -> None:
    policy = spec.get("persistentVolumeReclaimPolicy")
    if not policy:
        return
    if inline and policy != "Retain":
        found.append(fieldpath.forbidden(where, "may only be Retain in the context of inline volumes"))
    elif not inline:
        formats.supported(found, where, policy, RECLAIM)


def _source(found: fieldpath.ErrorList, where: str, spec: Object, name: str) -> None:
    kinds = [kind for kind in SOURCES if spec.get(kind) is not None]
    for index, kind in enumerate(kinds):
        if index and kind != "flexVolume":
            shown = "cephFS" if kind == "cephfs" else kind
            found.append(fieldpath.forbidden(f"{where}.{shown}", TOO_MANY))
        elif kind == "iscsi":
            volume_sources.iscsi(found, where + ".iscsi", spec["iscsi"], persistent=True, volume=name)
        else:
            SOURCES[kind](found, f"{where}.{volumes.PLACES.get(kind, kind)}", spec[kind])
        if kind == "local" and not index and spec.get("nodeAffinity") is None:
            text = "Local volume requires node affinity"
            found.append(fieldpath.required(where + ".nodeAffinity", text))
    if not kinds:
        found.append(fieldpath.required(where, "must specify a volume type"))
    path = (spec.get("hostPath") or {}).get("path")
    if path and posixpath.normpath(path) == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(fieldpath.forbidden(where + ".persistentVolumeReclaimPolicy", text))


def _classes(found: fieldpath.ErrorList, where: str, spec: Object, *, inline: bool) -> None:
    name, mode, attributes = (spec.get(f) for f in ("storageClassName", "volumeMode", "volumeAttributesClassName"))
    if name and inline:
        found.append(fieldpath.forbidden(where + ".storageClassName", INLINE))
    elif name:
        formats.each(found, where + ".storageClassName", name, formats.dns_subdomain)
    if mode is not None and inline and mode != "Filesystem":
        text = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        found.append(fieldpath.forbidden(where + ".volumeMode", text))
    elif mode is not None and not inline:
        formats.supported(found, where + ".volumeMode", mode, claims.VOLUME_MODES)
    if attributes is None:
        return
    place = where + ".volumeAttributesClassName"
    if not attributes:
        found.append(fieldpath.required(place, "an empty string is disallowed"))
    else:
        formats.each(found, place, attributes, formats.dns_subdomain)
    if spec.get("csi") is None:
        text = "has to be specified when using volumeAttributesClassName"
        found.append(fieldpath.required(where + ".csi", text))


def volume_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Where a volume is does not change."""
    volume(found, new)
    spec, before = dict(new.get("spec") or {}), old.get("spec") or {}
    if spec.get("csi") and before.get("csi") and before["csi"].get("controllerExpandSecretRef") is None:
        spec["csi"] = {name: one for name, one in spec["csi"].items() if name != "controllerExpandSecretRef"}
    if not godiff.equal("PersistentVolumeSource", spec, before):
        text = "spec.persistentvolumesource is immutable after creation\n"
        text += godiff.diff("PersistentVolumeSource", before, spec)
        found.append(fieldpath.forbidden("spec.persistentvolumesource", text))
    formats.immutable(found, "volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    _kept_affinity(found, spec.get("nodeAffinity"), before.get("nodeAffinity"))
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        text = "update from non-nil value to nil is forbidden"
        found.append(fieldpath.forbidden("spec.volumeAttributesClassName", text))


def _kept_affinity(found: fieldpath.ErrorList, new: Object | None, old: Object | None) -> None:
    if old is not None and new != old:
        shown = None
        if new is not None and new.get("required") is not None:
            shown = {"Required": godiff.shown("NodeSelector", new["required"])}
        found.append(fieldpath.invalid("nodeAffinity", shown, formats.IMMUTABLE))
