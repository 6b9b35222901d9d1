"""From a CustomResourceDefinition to what it adds to the table of kinds, and the names it may have. Pure.

Upstream: apiextensions-apiserver pkg/apiserver/customresource_handler.go, pkg/controller/status.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pybernetes.api import kinds
from pybernetes.apimachinery import fieldpath, goformat, meta
from pybernetes.apiserver import discovery
from pybernetes.apiserver.extensions import definition, definition_rules

Object = dict[str, Any]

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


class Versions(NamedTuple):
    """A definition's versions as rows: those that are served, that which is stored, all of them."""

    served: list[kinds.Kind]
    stored: kinds.Kind
    every: list[kinds.Kind]


def of(obj: Object) -> Versions:
    """The rows of an established definition."""
    versions = obj["spec"]["versions"]
    stored = next(version["name"] for version in versions if version["storage"])
    every = [_row(obj, version, stored) for version in versions]
    served = [row for row, version in zip(every, versions, strict=True) if version["served"]]
    return Versions(served, next(row for row in every if row.version == stored), every)


def _row(obj: Object, version: Object, stored: str) -> kinds.Kind:
    spec, names = obj["spec"], obj["status"]["acceptedNames"]
    group, name, kind = spec["group"], version["name"], names["kind"]
    given = version.get("subresources") or {}
    subresources = []
    if given.get("status") is not None:
        subresources.append(kinds.Subresource("status", kinds.READ_UPDATE, group, name, kind))
    scale = given.get("scale")
    if scale is not None:
        subresources.append(kinds.Subresource("scale", kinds.READ_UPDATE, "autoscaling", "v1", "Scale"))
    return kinds.Kind(
        group=group,
        version=name,
        kind=kind,
        plural=names["plural"],
        singular=names.get("singular") or "",
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        verbs=VERBS,
        subresources=tuple(subresources),
        storage_group=group,
        storage_version=stored,
        storage_key=f"{group}/{names['plural']}",
        list_kind=names.get("listKind") or f"{kind}List",
        custom=kinds.CustomVersion(
            schema=(version.get("schema") or {}).get("openAPIV3Schema") or {},
            columns=tuple(version.get("additionalPrinterColumns") or ()),
            selectable_fields=tuple(one["jsonPath"].removeprefix(".") for one in version.get("selectableFields") or ()),
            scale=None if scale is None else _paths(scale),
            deprecation=_deprecation(spec, version, kind) if version.get("deprecated") else "",
            terminating=meta.is_deleting(obj) or meta.condition_is(obj, "Terminating"),
        ),
    )


def _paths(scale: Mapping[str, str]) -> tuple[str, str, str]:
    return scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath") or ""


def _deprecation(spec: Object, version: Object, kind: str) -> str:
    text = version.get("deprecationWarning")
    if text is not None:
        return str(text)
    said = f"{spec['group']}/{version['name']} {kind} is deprecated"
    others = [one["name"] for one in spec["versions"] if one["served"] and not one.get("deprecated")]
    ranked = discovery.by_priority([*others, version["name"]])
    newest = ranked[0]
    return said if newest == version["name"] else f"{said}; use {spec['group']}/{newest} {kind}"


def judge_names(obj: Object, others: Iterable[Object]) -> tuple[Object, list[Object]]:
    """The names that a definition gets beside the others of its group, and the conditions that say so."""
    resources: set[str] = set()
    used_kinds: set[str] = set()
    for other in others:
        taken = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {taken.get("plural", ""), taken.get("singular", ""), *(taken.get("shortNames") or ())}
        used_kinds |= {taken.get("kind", ""), taken.get("listKind", "")}
    wanted, had = obj["spec"]["names"], (obj.get("status") or {}).get("acceptedNames") or {}
    accepted = dict(had)
    reason = text = ""
    for name, used in (
        ("plural", resources),
        ("singular", resources),
        ("shortNames", resources),
        ("kind", used_kinds),
        ("listKind", used_kinds),
    ):
        if name == "shortNames":
            asked: Sequence[str] = [one for one in wanted.get(name) or () if one not in (had.get(name) or ())]
        else:
            asked = [wanted[name]] if wanted.get(name) != had.get(name) else []
        clashes = [f"{goformat.quote(one)} is already in use" for one in asked if one in used]
        if clashes:
            reason, text = f"{name[0].upper()}{name[1:]}Conflict", fieldpath.aggregate(clashes)
        else:
            accepted[name] = wanted.get(name)
    accepted["categories"] = wanted.get("categories")
    order = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
    return {name: accepted[name] for name in order if accepted.get(name)}, _conditions(obj, reason, text)


def _conditions(obj: Object, reason: str, text: str) -> list[Object]:
    found = []
    if reason:
        found.append(definition.condition("NamesAccepted", "False", reason, text))
        if meta.condition(obj, "Established") is None:
            found.append(definition.condition("Established", "False", "NotAccepted", "not all names are accepted"))
    else:
        found.append(definition.condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"))
        if not meta.condition_is(obj, "Established"):
            text = "the initial names have been accepted"
            found.append(definition.condition("Established", "True", "InitialNamesAccepted", text))
    if definition_rules.protected(obj["spec"]["group"]):
        reason, text = definition_rules.approval(obj)
        status = str(reason == "ApprovedAnnotation")
        found.append(definition.condition("KubernetesAPIApprovalPolicyConformant", status, reason, text))
    return found
