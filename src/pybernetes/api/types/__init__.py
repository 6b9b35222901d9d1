"""Frozen structs with wire names (`pod.spec.nodeName`) for the kinds that components read.

Law: hand-kept, no behaviour beyond what a value knows of itself; a test compares every field with the schema data. This
package imports nothing by itself, so that the CLI pays only for the modules it names.
Upstream: k8s.io/api. Pure.
"""

import functools

from pybernetes.api.types import meta


@functools.cache
def identity(cls: type[meta.Object]) -> tuple[str, str]:
    """The apiVersion and kind that objects of a class carry."""
    example = cls()
    return example.apiVersion, example.kind
