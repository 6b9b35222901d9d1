"""Validation: everything wrong with an object, in upstream's words and order.

`validate(kind, obj)` judges a new object, `validate_update(kind, new, old, subresource)` a change of one, both after
defaulting and after the strategy has put away what the request may not touch. Metadata is judged elsewhere
(`apiserver/registry/metadata.py`), but for what only built-in kinds ask of it. A kind not listed has no rules.

A check is a function on plain dicts that gives, or appends to, a list of field errors. Places are texts (`formats.py`
says why). Adding a kind: its functions in the file of its subject, a row in `CREATE` and, where changes have rules, in
`UPDATE`; a subresource with rules of its own has the key `Kind/subresource`.
Pure.
Upstream: pkg/apis/*/validation.
"""

from collections.abc import Callable
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.validation import labels, pod, pod_resize, pod_status
from pybernetes.apimachinery import fieldpath

Object = dict[str, Any]

CREATE: dict[tuple[str, str], Callable[[Object], fieldpath.ErrorList]] = {
    ("", "Pod"): pod.pod,
}
UPDATE: dict[tuple[str, str], Callable[[Object, Object], fieldpath.ErrorList]] = {
    ("", "Pod"): pod.pod_update,
    ("", "Pod/status"): pod_status.pod_status_update,
    ("", "Pod/ephemeralcontainers"): pod_resize.ephemeral_update,
    ("", "Pod/resize"): pod_resize.resize,
}
#: Groups whose servers are not upstream's core API server: their finalizers need no domain.
ELSEWHERE = ("apiextensions.k8s.io", "apiregistration.k8s.io")


def validate(kind: kinds.Kind, obj: Object) -> fieldpath.ErrorList:
    """Everything wrong with a new object."""
    found: fieldpath.ErrorList = []
    if obj["metadata"].get("finalizers") and kind.group not in ELSEWHERE and not kind.custom:
        labels.finalizers(found, "metadata.finalizers", obj["metadata"]["finalizers"])
    check = CREATE.get((kind.group, kind.kind))
    if check is not None and not kind.custom:
        found += check(obj)
    return found


def validate_update(kind: kinds.Kind, new: Object, old: Object, subresource: str = "") -> fieldpath.ErrorList:
    """Everything wrong with a change of an object, made through that subresource."""
    found: fieldpath.ErrorList = []
    finalizers = new["metadata"].get("finalizers")
    if finalizers and finalizers != old["metadata"].get("finalizers") and kind.group not in ELSEWHERE:
        if not kind.custom:
            labels.finalizers(found, "metadata.finalizers", finalizers)
    check = UPDATE.get((kind.group, f"{kind.kind}/{subresource}" if subresource else kind.kind))
    if check is not None and not kind.custom:
        found += check(new, old)
    return found
