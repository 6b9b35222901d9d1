"""Short stable names for Pod templates.

Upstream: pkg/controller/controller_utils.go (ComputeHash). Pure.
"""

import msgspec

from pybernetes.api.types import core
from pybernetes.apimachinery import names

_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


def compute(template: core.PodTemplateSpec, collision_count: int | None) -> str:
    """A short stable name for a template; another one for each collision."""
    data = msgspec.json.encode(template, order="deterministic")
    if collision_count is not None:
        data += collision_count.to_bytes(8, "little")
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return names.safe_encode_string(str(value))
