"""Labels and selectors wherever an object holds them, and the metadata of templates.

Upstream: k8s.io/apimachinery/pkg/apis/meta/v1/validation, pkg/api/validation/objectmeta.go. Pure.
"""

from collections.abc import Mapping, Sequence

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

ANNOTATIONS_BYTES = 256 * 1024
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
ONE_OR_MORE = "must be specified when `operator` is 'In' or 'NotIn'"
NONE_AT_ALL = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
NO_OPERATOR = "not a valid selector operator"
UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"
TEMPLATE_FIELDS = ("annotations", "labels")


def label_set(found: fieldpath.ErrorList, where: str, given: Mapping[str, str] | None) -> None:
    """Labels."""
    if given:
        key_ok, value_ok = formats.qualified_name, formats.label_value
        for key, value in given.items():
            if key_ok(key) or value_ok(value):
                formats.each(found, where, key, key_ok)
                formats.each(found, where, value, value_ok)


def annotations(found: fieldpath.ErrorList, where: str, given: Mapping[str, str] | None) -> None:
    """Annotations."""
    if given:
        size = 0
        for key, value in given.items():
            for message in formats.qualified_name(key.lower()):
                found.append(fieldpath.invalid(where, key, message))
            size += len(key) + (len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape")))
        if size > ANNOTATIONS_BYTES:
            found.append(fieldpath.too_long(where, "", ANNOTATIONS_BYTES))


def user_annotations(found: fieldpath.ErrorList, where: str, given: Mapping[str, str] | None) -> None:
    """Annotations for a signer, whose keys have a domain."""
    lower = {key.lower(): value for key, value in (given or {}).items()}
    found += (
        fieldpath.invalid(where, key, 'must be a domain-prefixed key (such as "acme.io/foo")')
        for key in lower
        if not formats.qualified_name(key) and "/" not in key
    )
    annotations(found, where, lower)


def selector(found: fieldpath.ErrorList, where: str, given: Object | None) -> None:
    """A label selector, if there is one."""
    if not given:
        return
    label_set(found, where + ".matchLabels", given.get("matchLabels"))
    for index, expression in enumerate(given.get("matchExpressions") or ()):
        requirement(found, f"{where}.matchExpressions[{index}]", expression)


def requirement(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """One expression of a label selector."""
    operator = given.get("operator") or ""
    values: Sequence[str] = given.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            found.append(fieldpath.required(where + ".values", ONE_OR_MORE))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.append(fieldpath.forbidden(where + ".values", NONE_AT_ALL))
    else:
        found.append(fieldpath.invalid(where + ".operator", operator, NO_OPERATOR))
    formats.each(found, where + ".key", given.get("key") or "", formats.qualified_name)
    for index, value in enumerate(values):
        formats.each(found, f"{where}.values[{index}]", value, formats.label_value)


def map_as_go(given: Mapping[str, str] | None) -> dict[str, str] | None:
    """A map as Go prints it."""
    return {name: given[name] for name in sorted(given)} if given else None


def as_go(given: Object | None) -> Object | None:
    """A selector as Go prints it."""
    if given is None or not given.get("matchLabels"):
        return given
    return {**given, "matchLabels": map_as_go(given["matchLabels"])}


def is_empty(given: Object | None) -> bool:
    """Whether a selector has neither labels nor expressions (and so selects everything)."""
    return not given or not (given.get("matchLabels") or given.get("matchExpressions"))


def finalizers(found: fieldpath.ErrorList, where: str, given: Sequence[str] | None) -> None:
    """Finalizers have a domain, but for the three that are older than the rule."""
    for index, name in enumerate(given or ()):
        if "/" not in name and name not in STANDARD_FINALIZERS:
            found.append(fieldpath.invalid(f"{where}[{index}]", name, UNQUALIFIED))


def template_metadata(found: fieldpath.ErrorList, where: str, given: Object) -> None:
    """Metadata of a template that may have labels and annotations and nothing else."""
    annotations(found, where + ".annotations", given.get("annotations"))
    label_set(found, where + ".labels", given.get("labels"))
    for field, value in given.items():
        if field not in TEMPLATE_FIELDS and value:
            found.append(fieldpath.forbidden(f"{where}.{field}", "cannot be set"))
