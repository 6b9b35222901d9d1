"""Where a Pod wants to run: node selectors, affinity between Pods, spreading, tolerations.

Upstream: pkg/apis/core/validation (validateAffinity, validateTopologySpreadConstraints, ValidateTolerations). Pure.
"""

from collections.abc import Sequence

from pybernetes.api.validation import formats, labels
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
INCLUSIONS = ("Honor", "Ignore")
WEIGHT = "must be in the range 1-100"
NEEDS_SELECTOR = "must not be specified when labelSelector is not set"


def affinity(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """`affinity` of a pod spec."""
    node = given.get("nodeAffinity") or {}
    if node.get(REQUIRED) is not None:
        node_selector(found, f"{where}.nodeAffinity.{REQUIRED}", node[REQUIRED])
    for index, term in enumerate(node.get(PREFERRED) or ()):
        place = f"{where}.nodeAffinity.{PREFERRED}[{index}]"
        _weight(found, place, term)
        # Upstream does not look at the values of mere preferences.
        node_term(found, place + ".preference", term.get("preference") or {}, values=False)
    for kind in ("podAffinity", "podAntiAffinity"):
        part = given.get(kind) or {}
        for index, term in enumerate(part.get(REQUIRED) or ()):
            _pod_term(found, f"{where}.{kind}.{REQUIRED}[{index}]", term)
        for index, term in enumerate(part.get(PREFERRED) or ()):
            place = f"{where}.{kind}.{PREFERRED}[{index}]"
            _weight(found, place, term)
            _pod_term(found, place + ".podAffinityTerm", term.get("podAffinityTerm") or {})


def _weight(found: fieldpath.ErrorList, where: str, term: Object) -> None:
    if not 1 <= term.get("weight", 0) <= 100:
        found.append(fieldpath.invalid(where + ".weight", term.get("weight", 0), WEIGHT))


def node_selector(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """A selector of nodes: at least one term."""
    terms = given.get("nodeSelectorTerms")
    if not terms:
        found.append(fieldpath.required(where + ".nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(terms or ()):
        node_term(found, f"{where}.nodeSelectorTerms[{index}]", term)


def node_term(found: fieldpath.ErrorList, where: str, term: Object, *, values: bool = True) -> None:
    """One term: expressions on labels, expressions on fields."""
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        _node_requirement(found, f"{where}.matchExpressions[{index}]", expression, values=values)
    for index, expression in enumerate(term.get("matchFields") or ()):
        _node_field(found, f"{where}.matchFields[{index}]", expression)


def _node_requirement(found: fieldpath.ErrorList, where: str, given: Object, *, values: bool) -> None:
    operator, wanted = given.get("operator") or "", given.get("values") or ()
    if operator in ("In", "NotIn"):
        if not wanted:
            found.append(fieldpath.required(where + ".values", labels.ONE_OR_MORE))
    elif operator in ("Exists", "DoesNotExist"):
        if wanted:
            found.append(fieldpath.forbidden(where + ".values", labels.NONE_AT_ALL))
    elif operator in ("Gt", "Lt"):
        if len(wanted) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            found.append(fieldpath.required(where + ".values", text))
    else:
        found.append(fieldpath.invalid(where + ".operator", operator, labels.NO_OPERATOR))
    formats.each(found, where + ".key", given.get("key") or "", formats.qualified_name)
    for index, value in enumerate(wanted if values else ()):
        formats.each(found, f"{where}.values[{index}]", value, formats.label_value)


def _node_field(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    operator, wanted = given.get("operator") or "", given.get("values") or ()
    if operator not in ("In", "NotIn"):
        found.append(fieldpath.invalid(where + ".operator", operator, labels.NO_OPERATOR))
    elif len(wanted) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        found.append(fieldpath.required(where + ".values", text))
    if given.get("key") != "metadata.name":
        found.append(fieldpath.invalid(where + ".key", given.get("key") or "", "not a valid field selector key"))
        return
    for index, value in enumerate(wanted):
        formats.each(found, f"{where}.values[{index}]", value, formats.dns_subdomain)


def _pod_term(found: fieldpath.ErrorList, where: str, term: Object) -> None:
    selector = term.get("labelSelector")
    labels.selector(found, where + ".labelSelector", selector)
    labels.selector(found, where + ".namespaceSelector", term.get("namespaceSelector"))
    for name in term.get("namespaces") or ():
        formats.each(found, where + ".namespace", name, formats.dns_label)
    label_keys(found, where, term, selector)
    key = term.get("topologyKey") or ""
    if not key:
        found.append(fieldpath.required(where + ".topologyKey", "can not be empty"))
    formats.each(found, where + ".topologyKey", key, formats.qualified_name)


def label_keys(found: fieldpath.ErrorList, where: str, given: Object, selector: Object | None) -> None:
    """`matchLabelKeys` and `mismatchLabelKeys`: labels whose values are taken from the Pod itself."""
    same, other = given.get("matchLabelKeys") or (), given.get("mismatchLabelKeys") or ()
    for name, keys in (("matchLabelKeys", same), ("mismatchLabelKeys", other)):
        if keys and selector is None:
            found.append(fieldpath.forbidden(f"{where}.{name}", NEEDS_SELECTOR))
            continue
        for index, key in enumerate(keys):
            formats.each(found, f"{where}.{name}[{index}]", key, formats.qualified_name)
    if selector is not None and same:
        seen = {*(selector.get("matchLabels") or ())}
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key") or ""
            if key in same and key in seen:
                text = "exists in both matchLabelKeys and labelSelector"
                found.append(fieldpath.invalid(f"{where}[{same.index(key)}]", key, text))
            seen.add(key)
    for index, key in enumerate(same):
        if key in other:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            found.append(fieldpath.invalid(f"{where}.matchLabelKeys[{index}]", key, text))


def spread(found: fieldpath.ErrorList, where: str, constraints: Sequence[Object]) -> None:
    """`topologySpreadConstraints` of a pod spec."""
    for index, given in enumerate(constraints):
        place = f"{where}[{index}]"
        key, action = given.get("topologyKey") or "", given.get("whenUnsatisfiable") or ""
        formats.positive(found, place + ".maxSkew", given.get("maxSkew", 0))
        if not key:
            found.append(fieldpath.required(place + ".topologyKey", "can not be empty"))
        formats.supported(found, place + ".whenUnsatisfiable", action, ACTIONS)
        if any(
            (one.get("topologyKey") or "", one.get("whenUnsatisfiable") or "") == (key, action)
            for one in constraints[index + 1 :]
        ):
            found.append(fieldpath.duplicate(place + ".{topologyKey, whenUnsatisfiable}", f"{{{key}, {action}}}"))
        domains = given.get("minDomains")
        if domains is not None:
            formats.positive(found, place + ".minDomains", domains)
            if action != "DoNotSchedule":
                text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                found.append(fieldpath.invalid(place + ".minDomains", domains, text))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if given.get(name) is not None:
                formats.supported(found, f"{place}.{name}", given[name], INCLUSIONS)
        label_keys(found, place, {"matchLabelKeys": given.get("matchLabelKeys")}, given.get("labelSelector"))
        labels.selector(found, place + ".labelSelector", given.get("labelSelector"))


def tolerations(found: fieldpath.ErrorList, where: str, given: Sequence[Object]) -> None:
    """`tolerations` of a pod spec."""
    for index, one in enumerate(given):
        key, operator, effect = one.get("key") or "", one.get("operator") or "", one.get("effect") or ""
        if key and formats.qualified_name(key):
            formats.each(found, f"{where}[{index}].key", key, formats.qualified_name)
        if not key and operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(fieldpath.invalid(f"{where}[{index}].operator", operator, text))
        if one.get("tolerationSeconds") is not None and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(fieldpath.invalid(f"{where}[{index}].effect", effect, text))
        _toleration_value(found, f"{where}[{index}].operator", operator, one.get("value") or "")
        if effect and effect not in EFFECTS:
            found.append(fieldpath.not_supported(f"{where}[{index}].effect", effect, EFFECTS))


def _toleration_value(found: fieldpath.ErrorList, where: str, operator: str, value: str) -> None:
    if operator in ("", "Equal"):
        messages = formats.label_value(value)
        if messages:
            found.append(fieldpath.invalid(where, value, ";".join(messages)))
    elif operator == "Exists":
        if value:
            found.append(fieldpath.invalid(where, value, "value must be empty when `operator` is 'Exists'"))
    else:
        known = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
        found.append(fieldpath.not_supported(where, operator, known))
