"""Leases and their candidates.

Upstream: pkg/apis/coordination/validation. Pure.
"""

import re

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath

_number = r"(0|[1-9]\d*)"
_version = re.compile(rf"{_number}\.{_number}\.{_number}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?").fullmatch


def lease(found: fieldpath.ErrorList, obj: Object) -> None:
    """A Lease."""
    spec = obj.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        found.append(fieldpath.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    formats.not_negative(found, "spec.leaseTransitions", spec.get("leaseTransitions"))


def lease_candidate(found: fieldpath.ErrorList, obj: Object) -> None:
    """Somebody who would hold a Lease."""
    spec = obj.get("spec") or {}
    for field in ("leaseName", "binaryVersion", "strategy"):
        if not spec.get(field):
            found.append(fieldpath.required(f"spec.{field}"))
    for field in ("emulationVersion", "binaryVersion"):
        if spec.get(field) and not _version(spec[field]):
            text = "must be a valid semantic version"
            found.append(fieldpath.invalid(f"spec.{field}", spec[field], text))


def lease_candidate_update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A candidate stays one for the same Lease."""
    lease_candidate(found, new)
    names = [(one.get("spec") or {}).get("leaseName") for one in (new, old)]
    formats.immutable(found, "spec.leaseName", *names)
