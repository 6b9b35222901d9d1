"""Nodes: taints, address ranges, what they have to offer.

Upstream: pkg/apis/core/validation (ValidateNode…). Pure.
"""

import re
from collections.abc import Sequence

from pybernetes.api.validation import affinity, formats, godiff, resources
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

RANGES_FROZEN = 'node updates may not change podCIDR except from "" to valid'
ONE_REFERENCE = "exactly one reference subfield must be non-nil"
FEATURE = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' "
    "(e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_feature = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*").fullmatch


def node(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new node."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    _taints(found, "metadata.taints", spec.get("taints") or ())
    _resources(found, status)
    swap = ((status.get("nodeInfo") or {}).get("swap") or {}).get("capacity")
    if swap is not None:
        formats.not_negative(found, "metadata.nodeSwapStatus.capacity", swap)
    _features(found, status.get("declaredFeatures") or ())
    ranges = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    for index, one in enumerate(ranges):
        formats.each(found, f"spec.podCIDRs[{index}]", one, formats.cidr_legacy)
    families = [formats.family(one.partition("/")[0]) for one in ranges]
    if len(ranges) > 2 or len(set(families)) != len(families):
        text = "may specify no more than one CIDR for each IP family"
        found.append(fieldpath.invalid("spec.podCIDRs", ranges, text))


def _taints(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(given):
        place = f"{where}[{index}]"
        key, value, effect = (taint.get(name) or "" for name in ("key", "value", "effect"))
        formats.each(found, place + ".key", key, formats.qualified_name)
        messages = formats.label_value(value)
        if messages:
            found.append(fieldpath.invalid(place + ".value", value, ";".join(messages)))
        formats.one_of(found, place + ".effect", effect, affinity.EFFECTS)
        if (effect, key) in seen:
            error = fieldpath.duplicate(place, godiff.shown("Taint", taint))
            error.detail = "taints must be unique by key and effect pair"
            found.append(error)
        seen.add((effect, key))


def _resources(found: fieldpath.ErrorList, status: Object) -> None:
    for side in ("capacity", "allocatable"):
        for name, value in (status.get(side) or {}).items():
            resources.amount(found, f"status.{side}.{name}", name, value)


def _features(found: fieldpath.ErrorList, given: Sequence[str]) -> None:
    for index, name in enumerate(given):
        place = f"status.declaredFeatures[{index}]"
        if len(name) > 253:
            text = f'invalid feature name "{name}": must be no more than 253 characters'
            found.append(fieldpath.invalid(place, name, text))
        elif not _feature(name):
            found.append(fieldpath.invalid(place, name, f'invalid feature name "{name}": {FEATURE}'))
        if index and name == given[index - 1]:
            found.append(fieldpath.duplicate(place, name))
        elif index and name < given[index - 1]:
            found.append(fieldpath.invalid(place, name, "list must be sorted alphabetically"))


def node_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of a node or of its status."""
    spec, before, status = new.get("spec") or {}, old.get("spec") or {}, new.get("status") or {}
    if status != old.get("status"):
        _resources(found, status)
        _features(found, status.get("declaredFeatures") or ())
        addresses = [(one.get("type"), one.get("address")) for one in status.get("addresses") or ()]
        for index, one in enumerate(addresses):
            if one in addresses[:index]:
                shown = {"Type": one[0] or "", "Address": one[1] or ""}
                found.append(fieldpath.duplicate(f"status.addresses[{index}]", shown))
    if spec == before:
        return
    ranges, old_ranges = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
    if old_ranges and len(ranges) != len(old_ranges):
        found.append(fieldpath.forbidden("spec.podCIDRs", RANGES_FROZEN))
    elif old_ranges:
        changed = sum(new != old for new, old in zip(ranges, old_ranges, strict=True))
        found += (fieldpath.forbidden("spec.podCIDRs", RANGES_FROZEN) for _ in range(changed))
    provider, old_provider = spec.get("providerID") or "", before.get("providerID") or ""
    if old_provider and provider != old_provider:
        text = f"field cannot be {'modified' if provider else 'cleared'} once set"
        found.append(fieldpath.invalid("spec.providerID", None, text))
    if spec.get("configSource") is not None:
        _config_source(found, "spec.configSource", spec["configSource"])
    _taints(found, "metadata.taints", spec.get("taints") or ())
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        found.append(fieldpath.forbidden("spec.externalID", "may not be updated"))


def _config_source(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    source = given.get("configMap")
    if source is None:
        found.append(fieldpath.invalid(where, {"ConfigMap": None}, ONE_REFERENCE))
        return
    where += ".configMap"
    for field in ("uid", "resourceVersion"):
        if source.get(field):
            found.append(fieldpath.forbidden(f"{where}.{field}", f"{field} must not be set in spec"))
    formats.required_name(found, where + ".namespace", source.get("namespace"), formats.dns_label)
    formats.required_name(found, where + ".name", source.get("name"), formats.dns_subdomain)
    formats.required_name(found, where + ".kubeletConfigKey", source.get("kubeletConfigKey"), formats.config_key)
