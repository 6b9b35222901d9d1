"""What a certificate signing request asks for, whether a signer may give it, and the certificate itself.

Upstream: pkg/apis/certificates (helpers.go), pkg/controller/certificates/authority. Pure.
"""

import base64
import datetime
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pybernetes.api.types import certificates

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
SIGNERS = (KUBELET_SERVING, KUBELET_CLIENT, CLIENT, LEGACY_UNKNOWN)
_BACKDATE = datetime.timedelta(minutes=5)
_SHORT = datetime.timedelta(hours=8)
_SHORTEST = datetime.timedelta(minutes=10)
_EXTENDED = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}


class RequestError(ValueError):
    """The request is no request, or asks for what its signer does not give; the text is upstream's."""


def parse(request: certificates.CertificateSigningRequest) -> x509.CertificateSigningRequest:
    """The X.509 request. Raises RequestError."""
    pem = base64.b64decode(request.spec.request)
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
        raise RequestError("PEM block type must be CERTIFICATE REQUEST")
    try:
        return x509.load_pem_x509_csr(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestError(str(error)) from error


def common_name(asked: x509.CertificateSigningRequest) -> str:
    """The subject's common name."""
    return "".join(str(one.value) for one in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def _organizations(asked: x509.CertificateSigningRequest) -> list[str]:
    return [str(one.value) for one in asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def _names(asked: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def check(signer: str, asked: x509.CertificateSigningRequest, usages: Iterable[str]) -> None:
    """Refuse what the signer does not sign. Raises RequestError."""
    given = {*usages}
    if signer == CLIENT:
        _check_client(given)
    elif signer in (KUBELET_CLIENT, KUBELET_SERVING):
        _check_kubelet(asked, given, serving=signer == KUBELET_SERVING)


def _check_client(usages: set[str]) -> None:
    for usage in sorted(usages - {"digital signature", "key encipherment", "client auth"}):
        raise RequestError(f"invalid usage for client certificate: {usage}")
    if "client auth" not in usages:
        raise RequestError("missing required usage for client certificate: client auth")


def _check_kubelet(asked: x509.CertificateSigningRequest, usages: set[str], *, serving: bool) -> None:
    if _organizations(asked) != ["system:nodes"]:
        raise RequestError("subject organization is not system:nodes")
    names = _names(asked)
    found = {word for kind, word in _KINDS.items() if any(isinstance(one, kind) for one in names or ())}
    if serving and not found & {"DNS", "IP"}:
        raise RequestError("DNS or IP subjectAltName is required")
    for word in _KINDS.values():
        if word in found and not (serving and word in ("DNS", "IP")):
            raise RequestError(f"{word} subjectAltNames are not allowed")
    if not common_name(asked).startswith("system:node:"):
        raise RequestError("subject common name does not begin with system:node:")
    required = {"digital signature", "key encipherment", "server auth" if serving else "client auth"}
    if usages not in (required, required - {"key encipherment"}):
        raise RequestError(f"usages did not match [{' '.join(sorted(required))}]")


_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.RFC822Name: "Email",
    x509.IPAddress: "IP",
    x509.UniformResourceIdentifier: "URI",
}


def is_node_client(request: certificates.CertificateSigningRequest, asked: x509.CertificateSigningRequest) -> bool:
    """Whether a kubelet asks for its client certificate."""
    if request.spec.signerName != KUBELET_CLIENT:
        return False
    try:
        check(KUBELET_CLIENT, asked, request.spec.usages)
    except RequestError:
        return False
    return True


class Authority:
    """A certificate authority that signs requests."""

    def __init__(self, certificate: str, key: str) -> None:
        self._certificate = x509.load_pem_x509_certificate(certificate.encode())
        loaded = serialization.load_pem_private_key(key.encode(), None)
        if not isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise RequestError("unsupported key of the authority")
        self._key = loaded

    def sign(
        self,
        asked: x509.CertificateSigningRequest,
        usages: Iterable[str],
        *,
        now: datetime.datetime,
        lifetime: datetime.timedelta,
    ) -> str:
        """The certificate (PEM) for a request whose signature is good. Raises RequestError."""
        if not asked.is_signature_valid:
            raise RequestError("unable to verify certificate request signature")
        given = {*usages}
        start = now - _BACKDATE
        end = start + lifetime if lifetime <= _SHORT else now + lifetime
        builder = (
            x509.CertificateBuilder()
            .subject_name(asked.subject)
            .issuer_name(self._certificate.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(min(end, self._certificate.not_valid_after_utc))
            .add_extension(_key_usage(given), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        extended = [_EXTENDED[usage] for usage in sorted(given) if usage in _EXTENDED]
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        if (names := _names(asked)) is not None:
            builder = builder.add_extension(names, critical=False)
        algorithm = None if isinstance(self._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        certificate = builder.sign(self._key, algorithm)
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_usage(usages: set[str]) -> x509.KeyUsage:
    agreement = "key agreement" in usages
    return x509.KeyUsage(
        digital_signature=bool(usages & {"digital signature", "signing"}),
        content_commitment="content commitment" in usages,
        key_encipherment="key encipherment" in usages,
        data_encipherment="data encipherment" in usages,
        key_agreement=agreement,
        key_cert_sign="cert sign" in usages,
        crl_sign="crl sign" in usages,
        encipher_only=agreement and "encipher only" in usages,
        decipher_only=agreement and "decipher only" in usages,
    )


def lifetime(request: certificates.CertificateSigningRequest, longest: datetime.timedelta) -> datetime.timedelta:
    """How long the certificate is good: as asked for, but not too short and not too long."""
    asked = request.spec.expirationSeconds
    if asked is None:
        return longest
    return min(longest, max(_SHORTEST, datetime.timedelta(seconds=asked)))


def expiry(request: certificates.CertificateSigningRequest) -> datetime.datetime | None:
    """When the certificate that was given ends."""
    if not request.status.certificate:
        return None
    try:
        pem = base64.b64decode(request.status.certificate)
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None
