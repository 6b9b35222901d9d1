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


def namespace(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new namespace."""
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        _finalizer(found, "spec.finalizers", name)


def finalize_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """Another list of finalizers."""
    for index, name in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        _finalizer(found, f"spec.finalizers[{index}]", name)


def status_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A namespace is Terminating exactly while it is being deleted."""
    phase = (new.get("status") or {}).get("phase") or ""
    if new["metadata"].get("deletionTimestamp"):
        if phase != "Terminating":
            text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            found.append(fieldpath.invalid("status.Phase", phase, text))
            return
    elif phase != "Active":
        text = "may only be 'Active' if `deletionTimestamp` is empty"
        found.append(fieldpath.invalid("status.Phase", phase, text))
        return
