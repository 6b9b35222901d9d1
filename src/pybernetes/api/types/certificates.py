"""certificates.k8s.io/v1.

Upstream: k8s.io/api/certificates/v1. Pure.
"""

from collections.abc import Mapping

from pybernetes.api.types.meta import EMPTY, Condition, Object, Struct, Time, always


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


class ClusterTrustBundleSpec(Struct):
    signerName: str = ""
    trustBundle: str = always("")


class ClusterTrustBundle(Object):
    """Certificates of authorities, for all who shall trust them."""

    apiVersion: str = always("certificates.k8s.io/v1")
    kind: str = always("ClusterTrustBundle")
    spec: ClusterTrustBundleSpec = ClusterTrustBundleSpec()


class PodCertificateRequestSpec(Struct):
    signerName: str = always("")
    podName: str = always("")
    podUID: str = always("")
    serviceAccountName: str = always("")
    serviceAccountUID: str = always("")
    nodeName: str = always("")
    nodeUID: str = always("")
    maxExpirationSeconds: int | None = None
    stubPKCS10Request: str = always("")
    unverifiedUserAnnotations: Mapping[str, str] = EMPTY


class PodCertificateRequestStatus(Struct):
    conditions: tuple[Condition, ...] = ()
    certificateChain: str = ""
    notBefore: Time = ""
    beginRefreshAt: Time = ""
    notAfter: Time = ""


class PodCertificateRequest(Object):
    """A kubelet's request for a certificate of a Pod, and the signer's answer."""

    apiVersion: str = always("certificates.k8s.io/v1")
    kind: str = always("PodCertificateRequest")
    spec: PodCertificateRequestSpec = PodCertificateRequestSpec()
    status: PodCertificateRequestStatus = PodCertificateRequestStatus()
