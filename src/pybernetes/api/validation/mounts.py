"""Where a container puts volumes and block devices.

Upstream: pkg/apis/core/validation (ValidateVolumeMounts, ValidateVolumeDevices). Pure.
"""

from collections.abc import Mapping, Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")
BIND_OPTIONS = ("nodev", "noexec", "nosuid")


def mounts(found: fieldpath.ErrorList, where: str, container: Object, volumes: Mapping[str, Object]) -> None:
    """`volumeMounts` of a container."""
    devices = {one.get("name") or "": one.get("devicePath") or "" for one in container.get("volumeDevices") or ()}
    taken: set[str] = set()
    for index, mount in enumerate(container["volumeMounts"]):
        name, path = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            found.append(fieldpath.required(f"{where}[{index}].name"))
        if name not in volumes:
            found.append(fieldpath.not_found(f"{where}[{index}].name", name))
        if not path:
            found.append(fieldpath.required(f"{where}[{index}].mountPath"))
        if path in taken:
            found.append(fieldpath.invalid(f"{where}[{index}].mountPath", path, "must be unique"))
        taken.add(path)
        if devices:
            if name in devices:
                text = "must not already exist in volumeDevices"
                found.append(fieldpath.invalid(f"{where}[{index}].name", name, text))
            if path in devices.values():
                text = "must not already exist as a path in volumeDevices"
                found.append(fieldpath.invalid(f"{where}[{index}].mountPath", path, text))
        if len(mount) > 2:
            _details(found, where, index, mount, container)
            _bind_options(found, f"{where}[{index}].bindMountOptions", mount, volumes.get(name) or {})


def _details(found: fieldpath.ErrorList, where: str, index: int, mount: Object, container: Object) -> None:
    # Upstream leaves the index out of some of these places.
    below, template = mount.get("subPath"), mount.get("subPathExpr")
    if below:
        formats.descending(found, where + ".subPath", below)
    if template:
        if below:
            text = "subPathExpr and subPath are mutually exclusive"
            found.append(fieldpath.invalid(f"{where}[{index}].subPathExpr", template, text))
        formats.descending(found, where + ".subPathExpr", template)
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        formats.supported(found, where + ".mountPropagation", propagation, PROPAGATIONS)
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            text = "Bidirectional mount propagation is available only to privileged containers"
            found.append(fieldpath.forbidden(where + ".mountPropagation", text))
    recursive = mount.get("recursiveReadOnly")
    if recursive is None or recursive == "Disabled":
        return
    place = where + ".recursiveReadOnly"
    if recursive not in RECURSIVE:
        found.append(fieldpath.not_supported(place, recursive, RECURSIVE))
        return
    if not mount.get("readOnly"):
        found.append(fieldpath.forbidden(place, "may only be specified when readOnly is true"))
    if propagation is not None and propagation != "None":
        text = "may only be specified when mountPropagation is None or not specified"
        found.append(fieldpath.forbidden(place, text))


def _bind_options(found: fieldpath.ErrorList, where: str, mount: Object, volume: Object) -> None:
    options: Sequence[str] = mount.get("bindMountOptions") or ()
    for index, option in enumerate(options):
        formats.supported(found, f"{where}[{index}]", option, BIND_OPTIONS)
        if option in options[:index]:
            found.append(fieldpath.duplicate(f"{where}[{index}]", option))
    if options and volume.get("image") is not None:
        found.append(fieldpath.invalid(where, options, "bindMountOptions may not be used with image volumes"))


def devices(found: fieldpath.ErrorList, where: str, container: Object, volumes: Mapping[str, Object]) -> None:
    """`volumeDevices` of a container: claims that are used as block devices."""
    mounted = {one.get("name") or "": one.get("mountPath") or "" for one in container.get("volumeMounts") or ()}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container["volumeDevices"]):
        place = f"{where}[{index}]"
        name, path = device.get("name") or "", device.get("devicePath") or ""
        volume = volumes.get(name)
        if not name:
            found.append(fieldpath.required(place + ".name"))
        if name in names:
            found.append(fieldpath.invalid(place + ".name", name, "must be unique"))
        if volume is None:
            found.append(fieldpath.not_found(place + ".name", name))
        elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            found.append(fieldpath.invalid(place + ".name", name, text))
        if not path:
            found.append(fieldpath.required(place + ".devicePath"))
        if path in paths:
            found.append(fieldpath.invalid(place + ".devicePath", path, "must be unique"))
        if ".." in path.split("/"):
            found.append(fieldpath.invalid(place + ".devicePath", path, "can not contain backsteps ('..')"))
        else:
            paths.add(path)
        if name in mounted:
            found.append(fieldpath.invalid(place + ".name", name, "must not already exist in volumeMounts"))
        if path in mounted.values():
            text = "must not already exist as a path in volumeMounts"
            found.append(fieldpath.invalid(place + ".devicePath", path, text))
        if name:
            names.add(name)
