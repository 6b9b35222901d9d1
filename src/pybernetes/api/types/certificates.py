"""certificates.k8s.io/v1: CertificateSigningRequest.

Upstream: k8s.io/api/certificates/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.meta import EMPTY, Object, Struct, Time, always


class CertificateSigningRequestSpec(Struct):
    request: str = ""
    signerName: str = always("")
    expirationSeconds: int | None = None
    usages: tuple[str, ...] = ()
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = EMPTY


class CertificateSigningRequestCondition(Struct):
    type: str = always("")
    status: str = always("")
    reason: str = ""
    message: str = ""
    lastUpdateTime: Time = ""
    lastTransitionTime: Time = ""


class CertificateSigningRequestStatus(Struct):
    conditions: tuple[CertificateSigningRequestCondition, ...] = ()
    certificate: str = ""


class CertificateSigningRequest(Object):
    """A request for a certificate, its approval and the certificate."""

    apiVersion: str = always("certificates.k8s.io/v1")
    kind: str = always("CertificateSigningRequest")
    spec: CertificateSigningRequestSpec = CertificateSigningRequestSpec()
    status: CertificateSigningRequestStatus = CertificateSigningRequestStatus()
