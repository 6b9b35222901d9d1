"""X.509: a certificate authority and the certificates it signs.

Keys are ECDSA P-256. Everything goes in and out as PEM bytes, so that callers need no third-party type.
Upstream: k8s.io/client-go/util/cert, cmd/kubeadm/app/util/pkiutil.
"""

import dataclasses
import datetime
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = datetime.timedelta(minutes=5)
YEAR = datetime.timedelta(days=365)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """The names of a client certificate's subject: common name is the user, organisations are the groups."""

    common_name: str
    organizations: tuple[str, ...]
    not_after: datetime.datetime
    not_before: datetime.datetime
    serial: int


def new_key() -> bytes:
    """A new ECDSA P-256 private key."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def _key_pem(key: PrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(pem: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("only ECDSA and RSA keys sign certificates here")
    return key


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def new_authority(common_name: str, *, now: datetime.datetime, lifetime: datetime.timedelta = 10 * YEAR) -> Pair:
    """A self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


_CURVES: dict[str, tuple[ec.EllipticCurve, Hash]] = {
    "ECDSAP256": (ec.SECP256R1(), hashes.SHA256()),
    "ECDSAP384": (ec.SECP384R1(), hashes.SHA384()),
    "ECDSAP521": (ec.SECP521R1(), hashes.SHA512()),
}


def stub_request(key_type: str) -> tuple[bytes, bytes]:
    """A new key (PEM), and a request (DER) that says nothing but which key it is and proves to have it."""
    key: PrivateKey | ed25519.Ed25519PrivateKey
    digest: Hash | None = hashes.SHA256()
    if key_type in _CURVES:
        curve, digest = _CURVES[key_type]
        key = ec.generate_private_key(curve)
    elif key_type in ("RSA3072", "RSA4096"):
        key = rsa.generate_private_key(65537, int(key_type.removeprefix("RSA")))
    elif key_type == "ED25519":
        key, digest = ed25519.Ed25519PrivateKey.generate(), None
    else:
        raise ValueError(f'unknown key type "{key_type}"')
    signed = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
    return _key_pem(key), signed.public_bytes(serialization.Encoding.DER)


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What a certificate shall say. Addresses and DNS names make it good for serving, otherwise it is for clients."""

    common_name: str
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    client: bool = True
    server: bool = False


def issue(authority: Pair, request: Request, *, now: datetime.datetime, lifetime: datetime.timedelta = YEAR) -> Pair:
    """A new key and a certificate for it, signed by `authority`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] * request.client + [ExtendedKeyUsageOID.SERVER_AUTH] * request.server
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(request.common_name, request.organizations))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(min(now + lifetime, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in request.addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(_load_key(authority.key), hashes.SHA256())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def identity(der: bytes) -> Identity:
    """Who a client certificate (DER, already verified by the TLS layer) belongs to."""
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Identity(
        common_name=str(names[0].value) if names else "",
        organizations=tuple(str(one.value) for one in organizations),
        not_after=certificate.not_valid_after_utc,
        not_before=certificate.not_valid_before_utc,
        serial=certificate.serial_number,
    )


def check(pair: Pair, authority: bytes) -> datetime.datetime:
    """When the certificate ends. Raises ValueError if it is damaged, not of this key, or of another authority."""
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    check_key(pair.key, certificate)
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except InvalidSignature as error:
        raise ValueError("signed by another authority") from error
    return certificate.not_valid_after_utc


def check_key(pem: bytes, certificate: x509.Certificate | None = None) -> None:
    """Raise ValueError for a private key that is damaged, or not that of the certificate."""
    key = _load_key(pem)
    if certificate is not None and key.public_key() != certificate.public_key():
        raise ValueError("the private key is another's")
