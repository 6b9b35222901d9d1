"""A Pod of a RuntimeClass gets its overhead, node selector and tolerations.

Upstream: plugin/pkg/admission/runtimeclass, pkg/util/tolerations.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pybernetes.apimachinery import errors, gvk, quantity
from pybernetes.apiserver.admission.attributes import Attributes

Toleration = dict[str, Any]


class RuntimeClass:
    """The plugin `RuntimeClass`."""

    name = "RuntimeClass"

    def handles(self, attributes: Attributes) -> bool:
        """New Pods."""
        kind = attributes.kind
        return attributes.operation == "CREATE" and kind.kind == "Pod" and not (kind.group or attributes.subresource)

    async def admit(self, attributes: Attributes) -> None:
        """Fill in what the class says."""
        spec, found = await _of(attributes)
        fixed = _overhead(found)
        if fixed is not None:
            if spec.get("overhead") and not _same(spec["overhead"], fixed):
                raise _refuse(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec["overhead"] = dict(fixed)
        scheduling = found.get("scheduling")
        if scheduling is None:
            return
        selector = dict(spec.get("nodeSelector") or {})
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            if selector.setdefault(key, value) != value:
                raise _refuse(
                    attributes,
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                    f"pod.spec.nodeSelector[{key}] = {selector[key]}",
                )
        if selector:
            spec["nodeSelector"] = selector
        if tolerations := merge([*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())]):
            spec["tolerations"] = tolerations

    async def validate(self, attributes: Attributes) -> None:
        """The overhead is the class's."""
        spec, found = await _of(attributes)
        fixed = _overhead(found)
        if fixed is None:
            if spec.get("overhead") is not None:
                raise _refuse(
                    attributes, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                )
        elif not _same(spec.get("overhead") or {}, fixed):
            raise _refuse(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")


async def _of(attributes: Attributes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Pod's spec and its class, which is empty when the Pod names none."""
    assert attributes.object is not None
    spec: dict[str, Any] = attributes.object["spec"]
    name = spec.get("runtimeClassName")
    if name is None:
        return spec, {}
    found = await attributes.objects.get("node.k8s.io", "runtimeclasses", "", name)
    if found is None:
        raise _refuse(attributes, f'pod rejected: RuntimeClass "{name}" not found')
    return spec, found


def _overhead(found: Mapping[str, Any]) -> Mapping[str, str] | None:
    overhead = found.get("overhead")
    return None if overhead is None else overhead.get("podFixed") or {}


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return one.keys() == other.keys() and all(quantity.compare(one[name], other[name]) == 0 for name in one)


def _refuse(attributes: Attributes, message: str) -> errors.StatusError:
    return errors.Forbidden(gvk.GroupResource("", "pods"), attributes.name, message)


def merge(tolerations: Sequence[Toleration]) -> list[Toleration]:
    """Those that no other covers; of equal ones the first."""
    merged: list[Toleration] = []
    for index, one in enumerate(tolerations):
        later = (other for other in tolerations[index + 1 :] if other != one)
        if not any(_covers(other, one) for other in (*merged, *later)):
            merged.append(one)
    return merged


def _covers(wide: Toleration, narrow: Toleration) -> bool:
    if wide == narrow:
        return True
    exists = wide.get("operator") == "Exists"
    if wide.get("key", "") != narrow.get("key", "") and not (exists and not wide.get("key")):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    seconds = wide.get("tolerationSeconds")
    if wide.get("effect") == "NoExecute" and seconds is not None:
        if narrow.get("tolerationSeconds") is None or narrow["tolerationSeconds"] > seconds:
            return False
    return exists or (narrow.get("operator") == "Equal" and wide.get("value", "") == narrow.get("value", ""))
