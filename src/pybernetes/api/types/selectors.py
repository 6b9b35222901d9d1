"""Typed label selectors as something that matches.

Upstream: apimachinery/pkg/apis/meta/v1/helpers.go (LabelSelectorAsSelector). Pure.
"""

import functools
from typing import Any

import msgspec

from pybernetes.api.types import meta
from pybernetes.apimachinery import labels


def of(selector: meta.LabelSelector | None) -> labels.Selector:
    """None selects nothing, an empty one everything; `SelectorError` for one that cannot be read."""
    return labels.NOTHING if selector is None else _parsed(msgspec.json.encode(selector))


def of_workload(selector: meta.LabelSelector | None) -> labels.Selector:
    """As `of`, but an empty one selects nothing either: a workload never owns everything."""
    return labels.NOTHING if selector == meta.LabelSelector() else of(selector)


@functools.lru_cache(maxsize=8192)
def _parsed(encoded: bytes) -> labels.Selector:
    value: dict[str, Any] = msgspec.json.decode(encoded)
    return labels.from_label_selector(value)
