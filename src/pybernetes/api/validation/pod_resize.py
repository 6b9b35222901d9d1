"""Changes of a running Pod that have paths of their own: `resize` and `ephemeralcontainers`.

Upstream: pkg/apis/core/validation (ValidatePodResize, ValidatePodEphemeralContainersUpdate). Pure.
"""

from typing import Any

from pybernetes.api import qos
from pybernetes.api.validation import godiff, pod
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, meta

RESIZABLE = ("cpu", "memory")
ONLY = "only cpu and memory resources are mutable"


def ephemeral_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Ephemeral containers are added, never changed or taken away."""
    pod.metadata_and_spec(found, new)
    pod.annotations_update(found, new, old)
    if meta.is_mirror(old):
        found.append(fieldpath.forbidden("", "static pods do not support ephemeral containers"))
        return
    given = {one.get("name"): one for one in new["spec"].get("ephemeralContainers") or ()}
    for one in old["spec"].get("ephemeralContainers") or ():
        now, name = given.get(one.get("name")), f'existing ephemeral containers "{one.get("name")}"'
        place = "spec.ephemeralContainers"
        if now is None:
            found.append(fieldpath.forbidden(place, f"{name} may not be removed\n"))
        elif not godiff.equal("EphemeralContainer", one, now):
            text = f"{name} may not be changed\n{godiff.diff('EphemeralContainer', one, now)}"
            found.append(fieldpath.forbidden(place, text))


def resize(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """CPU and memory of containers, and of the Pod as a whole."""
    start = len(found)
    pod.metadata_and_spec(found, new)
    if meta.is_mirror(old):
        found.append(fieldpath.forbidden("", "static pods cannot be resized"))
        return
    if (old["spec"].get("os") or {}).get("name") == "windows":
        found.append(fieldpath.forbidden("", "windows pods cannot be resized"))
        return
    spec, before = new["spec"], old["spec"]
    stored = (old.get("status") or {}).get("qosClass") or qos.spec_class(before)
    if stored != qos.spec_class(spec):
        text = "Pod QOS Class may not change as a result of resizing"
        found.append(fieldpath.invalid("spec", (new.get("status") or {}).get("qosClass") or "", text))
    if not _supported(old):
        found.append(fieldpath.forbidden("spec", "Pod running on node without support for resize"))
    munged = dict(spec)
    if _asks(spec) or _asks(before):
        _whole_pod(found, munged, before)
    count = len(found)
    for field in ("containers", "initContainers"):
        _same_order(found, field, spec.get(field) or [], before.get(field) or [])
    if len(found) > count:
        return
    for field in ("initContainers", "containers"):
        for index, (one, was) in enumerate(zip(spec.get(field) or (), before.get(field) or (), strict=True)):
            place = f"spec.{field}[{index}].resources"
            for side in ("requests", "limits"):
                if _removed(one.get("resources"), was.get("resources"), side):
                    text = f"resource {side} cannot be removed"
                    found.append(fieldpath.forbidden(f"{place}.{side}", text))
    _containers(found, munged, before)
    _init_containers(found, munged, before)
    if (spec.get("volumes") or []) != (before.get("volumes") or []):
        text = (
            "volumes are immutable on resize when InPlacePodVerticalScalingMemoryBackedVolumes feature gate is disabled"
        )
        found.append(fieldpath.forbidden("spec.volumes", text))
    if len(found) == start and not godiff.equal("PodSpec", munged, before):
        found.append(fieldpath.forbidden("spec", ONLY))


def _asks(spec: Object) -> bool:
    given = spec.get("resources") or {}
    return bool(given.get("requests") or given.get("limits"))


def _supported(obj: Object) -> bool:
    for one in (obj.get("status") or {}).get("containerStatuses") or ():
        if (one.get("state") or {}).get("running") is not None:
            return one.get("resources") is not None
    return True


def _removed(new: Object | None, old: Object | None, side: str) -> bool:
    return not ((old or {}).get(side) or {}).keys() <= ((new or {}).get(side) or {}).keys()


def _whole_pod(found: fieldpath.ErrorList, munged: Object, before: Object) -> None:
    given, was = munged.get("resources"), before.get("resources")
    if was is not None and given is None:
        found.append(fieldpath.forbidden("spec.resources", "pod-level resources cannot be removed"))
        return
    for side in ("requests", "limits"):
        if _removed(given, was, side):
            text = f"pod-level resource {side} cannot be removed"
            found.append(fieldpath.forbidden(f"spec.resources.{side}", text))
    put_back = _put_back(given or {}, was or {})
    if was is None and not any(put_back.values()):
        munged.pop("resources", None)
        return
    munged["resources"] = put_back
    if not godiff.equal("ResourceRequirements", put_back, was or {}):
        found.append(fieldpath.forbidden("spec", "only cpu and memory resources are mutable at pod-level"))


def _put_back(given: Object, was: Object) -> Object:
    """The new requirements with the old CPU and memory."""
    result: dict[str, Any] = {"claims": given["claims"]} if given.get("claims") else {}
    for side in ("limits", "requests"):
        amounts = {name: value for name, value in (given.get(side) or {}).items() if name not in RESIZABLE}
        amounts |= {name: value for name, value in (was.get(side) or {}).items() if name in RESIZABLE}
        if amounts:
            result[side] = amounts
    return result


def _same_order(found: fieldpath.ErrorList, field: str, new: list[Object], old: list[Object]) -> None:
    if len(new) != len(old):
        found.append(fieldpath.forbidden(f"spec.{field}", f"{field} may not be added or removed on resize"))
        return
    for index, (one, was) in enumerate(zip(new, old, strict=True)):
        if one.get("name") != was.get("name"):
            text = f"{field} may not be renamed or reordered on resize"
            found.append(fieldpath.forbidden(f"spec.{field}[{index}].name", text))


def _munge(one: Object, was: Object) -> Object:
    return {**one, "resources": _put_back(one.get("resources") or {}, was.get("resources") or {})}


def _containers(found: fieldpath.ErrorList, munged: Object, before: Object) -> None:
    result = []
    for one, was in zip(munged.get("containers") or (), before.get("containers") or (), strict=True):
        back = _munge(one, was)
        if not godiff.equal("Container", back, was):
            found.append(fieldpath.forbidden("spec", ONLY))
        result.append(back)
    munged["containers"] = result


def _init_containers(found: fieldpath.ErrorList, munged: Object, before: Object) -> None:
    result = []
    for index, (one, was) in enumerate(
        zip(munged.get("initContainers") or (), before.get("initContainers") or (), strict=True)
    ):
        place, back = f"spec.initContainers[{index}]", _munge(one, was)
        if not godiff.equal("Container", back, was):
            text = "only cpu and memory resources for init or sidecar containers are mutable"
            found.append(fieldpath.forbidden(place, text))
        changed = not godiff.equal("Container", one, was)
        policies = [policy.get("restartPolicy") for policy in one.get("resizePolicy") or ()]
        if changed and one.get("restartPolicy") != "Always" and "RestartContainer" in policies:
            text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            found.append(fieldpath.forbidden(place, text))
        result.append(back)
    if result:
        munged["initContainers"] = result
