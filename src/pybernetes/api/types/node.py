"""node.k8s.io/v1: RuntimeClass.

Upstream: k8s.io/api/node/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types import core
from pybernetes.api.types.meta import EMPTY, Object, Quantity, Struct, always


class Overhead(Struct):
    podFixed: Mapping[str, Quantity] = EMPTY


class Scheduling(Struct):
    nodeSelector: Mapping[str, str] = EMPTY
    tolerations: tuple[core.Toleration, ...] = ()


class RuntimeClass(Object):
    """Which runtime handler runs a pod."""

    apiVersion: str = always("node.k8s.io/v1")
    kind: str = always("RuntimeClass")
    handler: str = always("")
    overhead: Overhead | None = None
    scheduling: Scheduling | None = None
