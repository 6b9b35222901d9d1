"""coordination.k8s.io/v1: Lease.

Upstream: k8s.io/api/coordination/v1. Pure.
"""

from pybernetes.api.types.meta import Object, Struct, Time, always


class LeaseSpec(Struct):
    holderIdentity: str | None = None
    leaseDurationSeconds: int | None = None
    acquireTime: Time | None = None
    renewTime: Time | None = None
    leaseTransitions: int | None = None
    strategy: str | None = None
    preferredHolder: str | None = None


class Lease(Object):
    """Who holds something, and until when."""

    apiVersion: str = always("coordination.k8s.io/v1")
    kind: str = always("Lease")
    spec: LeaseSpec = LeaseSpec()
