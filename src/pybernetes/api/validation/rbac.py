"""Roles and what binds them.

Upstream: pkg/apis/rbac/validation. Pure.
"""

from pybernetes.api.validation import formats, labels
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

GROUP = "rbac.authorization.k8s.io"
SUBJECTS = ("ServiceAccount", "User", "Group")


def _namespaced(obj: Object) -> bool:
    return bool(obj["metadata"].get("namespace"))


def _rules(found: fieldpath.ErrorList, obj: Object) -> None:
    for index, rule in enumerate(obj.get("rules") or ()):
        place = f"rules[{index}]"
        urls = rule.get("nonResourceURLs")
        if urls:
            if _namespaced(obj):
                text = "namespaced rules cannot apply to non-resource URLs"
                found.append(fieldpath.invalid(place + ".nonResourceURLs", urls, text))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                text = "rules cannot apply to both regular resources and non-resource URLs"
                found.append(fieldpath.invalid(place + ".nonResourceURLs", urls, text))
            continue
        if not rule.get("apiGroups"):
            text = "resource rules must supply at least one api group"
            found.append(fieldpath.required(place + ".apiGroups", text))
        if not rule.get("resources"):
            text = "resource rules must supply at least one resource"
            found.append(fieldpath.required(place + ".resources", text))
    # Upstream declares this one in the type; what is declared comes last.
    found += (
        fieldpath.required(f"rules[{index}].verbs")
        for index, rule in enumerate(obj.get("rules") or ())
        if not rule.get("verbs")
    )


def role(found: fieldpath.ErrorList, obj: Object) -> None:
    """A Role, or a ClusterRole, maybe one made of others."""
    _rules(found, obj)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        place, selectors = "aggregationRule.clusterRoleSelectors", aggregation.get("clusterRoleSelectors")
        if not selectors:
            text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            found.append(fieldpath.required(place, text))
        for index, selector in enumerate(selectors or ()):
            before = len(found)
            labels.selector(found, f"{place}[{index}]", selector)
            if len(found) > before:
                found.append(fieldpath.invalid(f"{place}[{index}]", None, "invalid label selector."))


def binding(found: fieldpath.ErrorList, obj: Object) -> None:
    """A RoleBinding or ClusterRoleBinding."""
    namespaced = _namespaced(obj)
    reference = obj.get("roleRef") or {}
    group, kind, name = (reference.get(field) or "" for field in ("apiGroup", "kind", "name"))
    if group != GROUP:
        found.append(fieldpath.not_supported("roleRef.apiGroup", group, (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if kind not in kinds:
        found.append(fieldpath.not_supported("roleRef.kind", kind, kinds))
    formats.required_name(found, "roleRef.name", name, formats.path_segment)
    for index, subject in enumerate(obj.get("subjects") or ()):
        _subject(found, f"subjects[{index}]", subject, namespaced=namespaced)
    found += (
        fieldpath.required(f"subjects[{index}].name")
        for index, subject in enumerate(obj.get("subjects") or ())
        if not subject.get("name")
    )


def _subject(found: fieldpath.ErrorList, where: str, given: Object, *, namespaced: bool) -> None:
    kind, name, group = (given.get(field) or "" for field in ("kind", "name", "apiGroup"))
    if kind == "ServiceAccount":
        if name:
            formats.each(found, where + ".name", name, formats.dns_subdomain)
        if group:
            found.append(fieldpath.not_supported(where + ".apiGroup", group, ("",)))
        if not namespaced and not given.get("namespace"):
            found.append(fieldpath.required(where + ".namespace"))
    elif kind not in SUBJECTS:
        found.append(fieldpath.not_supported(where + ".kind", kind, SUBJECTS))
    elif group != GROUP:
        found.append(fieldpath.not_supported(where + ".apiGroup", group, (GROUP,)))


def binding_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Other subjects, never another role."""
    binding(found, new)
    given, before = new.get("roleRef") or {}, old.get("roleRef") or {}
    if given != before:
        shown = {"APIGroup": given.get("apiGroup", ""), "Kind": given.get("kind", ""), "Name": given.get("name", "")}
        found.append(fieldpath.invalid("roleRef", shown, formats.IMMUTABLE))
