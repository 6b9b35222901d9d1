"""Volumes of a Pod: exactly one source each, and what every source needs.

Sources that persistent volumes have too are checked in `volume_sources.py`.

Upstream: pkg/apis/core/validation (ValidateVolumes, validateVolumeSource). Pure.
"""

from collections.abc import Callable, Sequence

from pybernetes.api.validation import claims, formats, labels, projected, volume_sources
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

EMPTY_DIR_MODE = "must be a number between 0 and 01777 (octal), both inclusive"
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)

Check = Callable[[fieldpath.ErrorList, str, Object], None]


def volumes(
    found: fieldpath.ErrorList, where: str, given: Sequence[Object], metadata: Object | None
) -> dict[str, Object]:
    """Everything wrong with the volumes; the result are the good ones by name."""
    good: dict[str, Object] = {}
    pod = (metadata or {}).get("name") or ""
    created = {f"{pod}-{one.get('name')}" for one in given if one.get("ephemeral") is not None} if pod else set()
    for index, volume in enumerate(given):
        place, name, before = f"{where}[{index}]", volume.get("name") or "", len(found)
        source(found, place, volume, pod)
        if not name or formats.dns_label(name):
            formats.required_name(found, place + ".name", name, formats.dns_label)
        if name in good:
            found.append(fieldpath.duplicate(place + ".name", name))
        if len(found) == before:
            good[name] = volume
        if created:
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim in created:
                text = "must not reference a PVC that gets created for an ephemeral volume"
                found.append(fieldpath.invalid(place + ".persistentVolumeClaim.claimName", claim, text))
    return good


def source(found: fieldpath.ErrorList, where: str, volume: Object, pod: str) -> None:
    """The one source of a volume."""
    kinds = [kind for kind in volume if kind in SOURCES and volume[kind] is not None]
    if not kinds:
        found.append(fieldpath.required(where, "must specify a volume type"))
        return
    if len(kinds) > 1:
        kinds.sort(key=ORDER.__getitem__)
    for kind in kinds[1:]:
        found.append(
            fieldpath.forbidden(f"{where}.{SPELLED.get(kind, kind)}", "may not specify more than 1 volume type")
        )
    kind = kinds[0]
    SOURCES[kind](found, f"{where}.{PLACES.get(kind, kind)}", volume[kind])
    name = volume.get("name") or ""
    if "iscsi" in kinds and volume["iscsi"].get("initiatorName") is not None:
        portal = volume["iscsi"].get("targetPortal") or ""
        if len(f"{name}:{portal}") > 64:
            found.append(fieldpath.invalid(where + ".name", name, volume_sources.ISCSI_TOO_LONG))
    if kind == "ephemeral" and pod and name:
        claim = f"{pod}-{name}"
        for message in formats.dns_subdomain(claim):
            found.append(fieldpath.invalid(where + ".name", name, f'PVC name "{claim}": {message}'))


def _empty_dir(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    limit = given.get("sizeLimit")
    if limit is not None and formats.amount(limit).nano < 0:
        found.append(fieldpath.forbidden(where + ".sizeLimit", "SizeLimit field must be a valid resource quantity"))
    mode = given.get("mode")
    if mode is not None and not 0 <= mode <= 0o1777:
        found.append(fieldpath.invalid(where + ".mode", mode, EMPTY_DIR_MODE))


def host_path(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A folder or file of the node."""
    path, kind = given.get("path") or "", given.get("type")
    if not path:
        found.append(fieldpath.required(where + ".path"))
        return
    formats.back_steps(found, where + ".path", path)
    if kind is not None:
        formats.supported(found, where + ".type", kind, HOST_PATH_TYPES)


def _git_repo(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("repository"):
        found.append(fieldpath.required(where + ".repository"))
    formats.descending(found, where + ".directory", given.get("directory") or "")


def _items(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    projected.file_mode(found, where + ".defaultMode", given.get("defaultMode"))
    formats.user_id(found, where + ".defaultUser", given.get("defaultUser"))
    for index, item in enumerate(given.get("items") or ()):
        projected.key_to_path(found, f"{where}.items[{index}]", item)


def _secret(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("secretName"):
        found.append(fieldpath.required(where + ".secretName"))
    _items(found, where, given)


def _config_map(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("name"):
        found.append(fieldpath.required(where + ".name"))
    _items(found, where, given)


def _claim(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("claimName"):
        found.append(fieldpath.required(where + ".claimName"))


def _downward(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    projected.file_mode(found, where + ".defaultMode", given.get("defaultMode"))
    formats.user_id(found, where + ".defaultUser", given.get("defaultUser"))
    for item in given.get("items") or ():
        projected.downward_file(found, where, item)


def _projected(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    projected.file_mode(found, where + ".defaultMode", given.get("defaultMode"))
    formats.user_id(found, where + ".defaultUser", given.get("defaultUser"))
    projected.sources(found, where, given.get("sources") or ())


def _csi(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    volume_sources.csi_driver_name(found, where + ".driver", given.get("driver") or "")
    secret = given.get("nodePublishSecretRef")
    if secret is not None:
        name = secret.get("name") or ""
        if not name:
            found.append(fieldpath.required(where + ".nodePublishSecretRef.name"))
        else:
            formats.each(found, where + ".name", name, formats.dns_subdomain)


def _ephemeral(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    template = given.get("volumeClaimTemplate")
    place = where + ".volumeClaimTemplate"
    if template is None:
        found.append(fieldpath.required(place))
        return
    labels.template_metadata(found, place + ".metadata", template.get("metadata") or {})
    claims.spec(found, place + ".spec", template.get("spec") or {})


def _image(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    if not given.get("reference"):
        found.append(fieldpath.required(where + ".reference"))
    formats.one_of(found, where + ".pullPolicy", given.get("pullPolicy"), ("Always", "IfNotPresent", "Never"))


SOURCES: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": volume_sources.gce_disk,
    "awsElasticBlockStore": volume_sources.aws_disk,
    "secret": _secret,
    "nfs": volume_sources.nfs,
    "iscsi": volume_sources.iscsi,
    "glusterfs": volume_sources.glusterfs,
    "flocker": volume_sources.flocker,
    "persistentVolumeClaim": _claim,
    "rbd": volume_sources.rbd,
    "cinder": volume_sources.cinder,
    "cephfs": volume_sources.cephfs,
    "quobyte": volume_sources.quobyte,
    "downwardAPI": _downward,
    "fc": volume_sources.fibre_channel,
    "flexVolume": volume_sources.flex,
    "configMap": _config_map,
    "azureFile": volume_sources.azure_file,
    "vsphereVolume": volume_sources.vsphere,
    "photonPersistentDisk": volume_sources.photon,
    "portworxVolume": volume_sources.portworx,
    "azureDisk": volume_sources.azure_disk,
    "storageos": volume_sources.storage_os,
    "projected": _projected,
    "scaleIO": volume_sources.scale_io,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
ORDER = {kind: position for position, kind in enumerate(SOURCES)}
#: Upstream spells some places differently.
SPELLED = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
PLACES = {"gcePersistentDisk": "persistentDisk"}
