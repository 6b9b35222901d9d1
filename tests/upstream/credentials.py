"""Tokens and certificates, good and bad, made with the keys that lie beside an API server's certificate authority."""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
import time
from typing import Any

import oracle
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import oid

HOUR = 3600


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(folder: pathlib.Path, sort: str, last: dict[str, Any]) -> str:
    """A token of the service account set up last; `sort` says what is wrong with it (`good`: nothing)."""
    now = int(time.time())
    facts = last.get("metadata", {})
    account = {"name": facts.get("name", "nobody"), "uid": facts.get("uid", "")}
    claims: dict[str, Any] = {
        "iss": oracle.ISSUER,
        "sub": f"system:serviceaccount:golden:{account['name']}",
        "aud": [oracle.ISSUER],
        "iat": now - 2 * HOUR,
        "nbf": now - 2 * HOUR,
        "exp": now + HOUR,
        "kubernetes.io": {"namespace": "golden", "serviceaccount": account},
    }
    claims |= {
        "expired": {"exp": now - HOUR},
        "early": {"nbf": now + HOUR},
        "other-issuer": {"iss": "https://other.example.com"},
        "other-audience": {"aud": ["https://other.example.com"]},
        "no-audience": {"aud": []},
        "other-subject": {"sub": "system:serviceaccount:kube-system:default"},
        "no-private-claims": {"kubernetes.io": None},
        "other-uid": {"kubernetes.io": {"namespace": "golden", "serviceaccount": account | {"uid": "1"}}},
        "no-such-account": {"kubernetes.io": {"namespace": "golden", "serviceaccount": {"name": "x", "uid": "1"}}},
        "expiry-text": {"exp": "tomorrow"},
    }.get(sort, {})
    key = serialization.load_pem_private_key((folder / "service-account.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    if sort == "forged":
        key = rsa.generate_private_key(65537, 2048)
    algorithm = {"unsigned": "none", "hmac": "HS256"}.get(sort, "RS256")
    head = {"alg": algorithm, "typ": "JWT"}
    signed = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(claims).encode())}"
    if sort == "unsigned":
        return signed + "."
    if sort == "hmac":
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        secret = hmac.HMAC(key.public_key().public_bytes(serialization.Encoding.PEM, form), hashes.SHA256())
        secret.update(signed.encode())
        return f"{signed}.{_encode(secret.finalize())}"
    made = f"{signed}.{_encode(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
    return {"truncated": made[:-20], "two-parts": signed, "padded": made + "=="}.get(sort, made)


def certificate(folder: pathlib.Path, sort: str) -> pathlib.Path:
    """A file with a client certificate and its key; `sort` says what is wrong with it (`good`: nothing)."""
    path = folder / f"client-{sort}.pem"
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    if sort == "other-authority":
        signer = ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    names = [] if sort == "no-name" else [x509.NameAttribute(oid.NameOID.COMMON_NAME, "jane")]
    begin, end = {
        "expired": (now - datetime.timedelta(2), now - datetime.timedelta(1)),
        "early": (now + datetime.timedelta(1), now + datetime.timedelta(2)),
    }.get(sort, (now - datetime.timedelta(1), now + datetime.timedelta(1)))
    purpose = oid.ExtendedKeyUsageOID.SERVER_AUTH if sort == "for-servers" else oid.ExtendedKeyUsageOID.CLIENT_AUTH
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    oracle.write_key(path, key)
    path.write_bytes(path.read_bytes() + made.public_bytes(serialization.Encoding.PEM))
    return path
