"""Namespaces: who holds them back, and which phase goes with a deletion.

Upstream: pkg/apis/core/validation (ValidateNamespace…). Pure.
"""

from pybernetes.api.validation import formats, labels
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath


def _finalizer(found: fieldpath.ErrorList, where: str, name: str) -> None:
    formats.each(found, where, name, formats.qualified_name)
    if "/" not in name and name not in labels.STANDARD_FINALIZERS:
        found.append(fieldpath.invalid(where, name, labels.UNQUALIFIED))


def namespace(obj: Object) -> fieldpath.ErrorList:
    """A new namespace."""
    found: fieldpath.ErrorList = []
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        _finalizer(found, "spec.finalizers", name)
    return found


def finalize_update(new: Object, old: Object) -> fieldpath.ErrorList:
    """Another list of finalizers."""
    found: fieldpath.ErrorList = []
    for index, name in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        _finalizer(found, f"spec.finalizers[{index}]", name)
    return found


def status_update(new: Object, old: Object) -> fieldpath.ErrorList:
    """A namespace is Terminating exactly while it is being deleted."""
    phase = (new.get("status") or {}).get("phase") or ""
    if new["metadata"].get("deletionTimestamp"):
        if phase != "Terminating":
            text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            return [fieldpath.invalid("status.Phase", phase, text)]
    elif phase != "Active":
        text = "may only be 'Active' if `deletionTimestamp` is empty"
        return [fieldpath.invalid("status.Phase", phase, text)]
    return []
