"""What the store asks about built-in kinds: defaults, validation, warnings, conversion.

Custom resources answer in a strategy.
Upstream: the scheme's defaulting and conversion functions, pkg/apis/*/validation.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from pybernetes.api import conversion, defaults, kinds, validation, warnings
from pybernetes.apimachinery import fieldpath

Object = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """The questions, as functions on plain objects."""

    default: Callable[[kinds.Kind, Object], None] = defaults.apply
    validate: Callable[[kinds.Kind, Object], fieldpath.ErrorList] = validation.validate
    validate_update: Callable[[kinds.Kind, Object, Object, str], list[fieldpath.FieldError]] = (
        validation.validate_update
    )
    convert: Callable[[Object, kinds.Kind], Object] = conversion.convert
    warnings: Callable[[kinds.Kind, Object, Object | None], list[str]] = warnings.of


BUILT_IN = Rules()
