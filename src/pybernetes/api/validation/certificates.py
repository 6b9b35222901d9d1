"""CertificateSigningRequests: the request in them, its usages and signer, verdicts, the certificate.

Upstream: pkg/apis/certificates/validation. Pure.
"""

import base64
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from pybernetes.api.validation import formats, signers
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath
from pybernetes.crypto import pem

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
VERDICTS = ("Approved", "Denied")
LEGACY = "kubernetes.io/legacy-unknown"
CONDITIONS, CERTIFICATE = "status.conditions", "status.certificate"
ONE_OF = ('conditions[{"type": "Approved"}]', 'conditions[{"type": "Denied"}]')


def request(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new request."""
    spec = obj.get("spec") or {}
    wrong = _wrong_request(base64.b64decode(spec.get("request") or ""))
    if wrong:
        found.append(fieldpath.invalid("spec.request", spec.get("request"), wrong))
    usages, signer, seconds = spec.get("usages") or [], spec.get("signerName") or "", spec.get("expirationSeconds")
    if not usages:
        found.append(fieldpath.required("spec.usages"))
    for index, usage in enumerate(usages):
        formats.supported(found, f"spec.usages[{index}]", usage, USAGES)
    found += (
        fieldpath.duplicate(f"spec.usages[{index}]", usage)
        for index, usage in enumerate(usages)
        if usage in usages[:index]
    )
    if signer == LEGACY:
        text = "the legacy signerName is not allowed via this API version"
        found.append(fieldpath.invalid("spec.signerName", signer, text))
    else:
        signers.signer_name(found, "spec.signerName", signer)
    if seconds is not None and seconds < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(fieldpath.invalid("spec.expirationSeconds", seconds, text))


def _wrong_request(text: bytes) -> str:
    block = next(pem.blocks(text), None)
    if block is None or block.type != "CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        return "" if x509.load_der_x509_csr(block.content).is_signature_valid else "x509: invalid signature"
    except (ValueError, UnsupportedAlgorithm) as error:
        return str(error)


def _wrong_certificate(text: bytes) -> str:
    blocks = list(pem.blocks(text))
    if text and not blocks:
        return "must contain at least one CERTIFICATE PEM block"
    for block in blocks:
        if block.type != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{block.type}"'
        if block.headers:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(block.content)
        except ValueError as error:
            return str(error)
    return ""


def _conditions(found: fieldpath.ErrorList, given: Sequence[Object], before: Sequence[Object]) -> None:
    """What the state before had wrong already may stay wrong."""
    kinds, known = ([one.get("type") or "" for one in some] for some in (given, before))
    for index, (kind, one) in enumerate(zip(kinds, given, strict=True)):
        place = f"{CONDITIONS}[{index}]"
        if not kind and "" not in known:
            found.append(fieldpath.required(place + ".type"))
        words = ("True",) if kind in (*VERDICTS, "Failed") else ("False", "True", "Unknown")
        formats.one_of(found, place + ".status", one.get("status"), words)
        if kind in kinds[:index] and len(set(known)) == len(known):
            found.append(fieldpath.duplicate(place + ".type", kind))
    if {*VERDICTS} <= {*kinds} and not {*VERDICTS} <= {*known}:
        allowed = ", ".join(f"`{one}`" for one in ONE_OF)
        shown = f"{{{', '.join(ONE_OF)}}}"
        found.append(fieldpath.invalid(CONDITIONS, shown, f"must specify at most one of: {allowed}"))


def update(
    found: fieldpath.ErrorList, new: Object, old: Object, *, verdicts: bool = False, certificate: bool = False
) -> None:
    """A change of metadata, and by their own paths of verdicts or (once) of the certificate."""
    status, before = new.get("status") or {}, old.get("status") or {}
    _conditions(found, status.get("conditions") or [], before.get("conditions") or [])
    issued, was = status.get("certificate") or "", before.get("certificate") or ""
    wrong = _wrong_certificate(base64.b64decode(issued)) if issued != was else ""
    if wrong:
        found.append(fieldpath.invalid(CERTIFICATE, "<certificate data>", wrong))
    for kind in (*VERDICTS, "Failed"):
        now, then = ([c for c in s.get("conditions") or () if c.get("type") == kind] for s in (status, before))
        text = ""
        if len(now) < len(then):
            text = f'updates may not remove a condition of type "{kind}"'
        elif not verdicts and kind in VERDICTS and now != then:
            text = f'updates may not {"add" if len(now) > len(then) else "modify"} a condition of type "{kind}"'
        if text:
            found.append(fieldpath.forbidden(CONDITIONS, text))
    if issued != was and not certificate:
        found.append(fieldpath.forbidden(CERTIFICATE, "updates may not set certificate content"))
    elif issued != was and was:
        found.append(fieldpath.forbidden(CERTIFICATE, "updates may not modify existing certificate content"))
