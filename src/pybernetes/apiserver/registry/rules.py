"""What the store asks about built-in kinds: defaults, validation, conversion. Custom resources answer in a strategy.

Upstream: the scheme's defaulting and conversion functions, pkg/apis/*/validation.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from pybernetes.api import conversion, defaults, kinds
from pybernetes.apimachinery import fieldpath

Object = dict[str, Any]


def _valid(kind: kinds.Kind, obj: Object) -> list[fieldpath.FieldError]:
    return []


def _valid_update(kind: kinds.Kind, new: Object, old: Object) -> list[fieldpath.FieldError]:
    return []


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """The four questions, as functions on plain objects."""

    default: Callable[[kinds.Kind, Object], None] = defaults.apply
    validate: Callable[[kinds.Kind, Object], list[fieldpath.FieldError]] = _valid
    validate_update: Callable[[kinds.Kind, Object, Object], list[fieldpath.FieldError]] = _valid_update
    convert: Callable[[Object, kinds.Kind], Object] = conversion.convert


BUILT_IN = Rules()
