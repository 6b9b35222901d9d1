"""PodCertificateRequests: who asks for which key, and the one answer a signer gives.

Upstream: pkg/apis/certificates/validation (ValidatePodCertificateRequestCreate, …StatusUpdate). Pure.
"""

import base64
import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pybernetes.api.validation import formats, labels, signers
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath, timestamps
from pybernetes.crypto import pem

KINDS = ("Issued", "Denied", "Failed")
HOUR, DAY = 3600, 24 * 3600
LONGEST_UID, LONGEST_KEY, LONGEST_CHAIN = 128, 10 * 1024, 100 * 1024
LONGEST_REASON, LONGEST_MESSAGE = 1024, 32 * 1024
STUB = "spec.stubPKCS10Request"
CHAIN, CONDITIONS = "status.certificateChain", "status.conditions"
NOT_BEFORE, NOT_AFTER, REFRESH = "status.notBefore", "status.notAfter", "status.beginRefreshAt"
CURVES = {"secp256r1", "secp384r1", "secp521r1"}
GO_CURVES = {"secp224r1": "P-224"}
OMIT = fieldpath.OMIT_VALUE
#: The spec as Go has it, with what only older versions of the API could say.
_FIELDS = (
    "signerName",
    "podName",
    "podUID",
    "serviceAccountName",
    "serviceAccountUID",
    "nodeName",
    "nodeUID",
    "maxExpirationSeconds",
    "PKIXPublicKey",
    "proofOfPossession",
    "stubPKCS10Request",
    "unverifiedUserAnnotations",
)
_REASON = r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_reason = re.compile(_REASON).fullmatch
REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON}')"
)


def request(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new request."""
    spec = obj["spec"]
    signer, seconds = spec.get("signerName") or "", spec["maxExpirationSeconds"]
    signers.signer_name(found, "spec.signerName", signer)
    labels.user_annotations(found, "spec.unverifiedUserAnnotations", spec.get("unverifiedUserAnnotations"))
    for what in ("pod", "serviceAccount", "node"):
        formats.each(found, f"spec.{what}Name", spec.get(f"{what}Name") or "", formats.dns_subdomain)
        uid = spec.get(f"{what}UID") or ""
        if not uid:
            found.append(fieldpath.invalid(f"spec.{what}UID", "", "must not be empty"))
        if len(uid.encode()) > LONGEST_UID:
            found.append(fieldpath.too_long(f"spec.{what}UID", "", LONGEST_UID))
    most = DAY if signers.is_kubernetes(signer) else 91 * DAY
    if not HOUR <= seconds <= most:
        found.append(fieldpath.invalid("spec.maxExpirationSeconds", seconds, f"must be in the range [{HOUR}, {most}]"))
    if stub := spec.get("stubPKCS10Request"):
        _stub(found, base64.b64decode(stub))
    else:
        text = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
        found.append(fieldpath.invalid("spec", OMIT, text))


def _stub(found: fieldpath.ErrorList, der: bytes) -> None:
    if len(der) > LONGEST_KEY:
        found.append(fieldpath.too_long(STUB, "", LONGEST_KEY))
        return
    try:
        asked = x509.load_der_x509_csr(der)
        key = asked.public_key()
    except (ValueError, UnsupportedAlgorithm):
        found.append(fieldpath.invalid(STUB, OMIT, "must be a valid PKCS#10 CSR"))
        return
    if _is_good_key(found, key) and not asked.is_signature_valid:
        found.append(fieldpath.invalid(STUB, OMIT, "invalid signature"))


def _is_good_key(found: fieldpath.ErrorList, key: object) -> bool:
    """Whether keys of that kind and size get certificates."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = key.curve.name
        if name in CURVES:
            return True
        text = "elliptic public keys must use curve P256, P384, or P521"
        found.append(fieldpath.invalid(STUB, f"curve {GO_CURVES.get(name, name)}", text))
    elif isinstance(key, rsa.RSAPublicKey):
        size = -(-key.key_size // 8) * 8
        if size in (3072, 4096):
            return True
        text = "RSA keys must have modulus size 3072 or 4096"
        found.append(fieldpath.invalid(STUB, f"{size}-bit modulus", text))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        return True
    else:
        text = "unknown public key type; supported types are Ed25519, ECDSA, and RSA"
        found.append(fieldpath.invalid(STUB, OMIT, text))
    return False


def update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of metadata."""
    if new["spec"] != old["spec"]:
        shown = {field[0].upper() + field[1:]: new["spec"].get(field) for field in _FIELDS}
        found.append(fieldpath.invalid("spec", shown, formats.IMMUTABLE))


def status_update(found: fieldpath.ErrorList, new: Object, old: Object, now: datetime.datetime) -> None:
    """What a signer answers: one of Issued, Denied and Failed, once."""
    status, before = new.get("status") or {}, old.get("status") or {}
    given = status.get("conditions") or []
    _conditions(found, given)
    if found:
        return
    verdicts = {one["type"] for one in given}
    if any(one.get("status") == "True" for one in before.get("conditions") or ()):
        unchanged, text = status == before, "immutable after PodCertificateRequest is issued, denied, or failed"
    elif verdicts & {"Denied", "Failed"}:
        unchanged = not any(value for name, value in status.items() if name != "conditions")
        text = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
    elif verdicts:
        found += _issued(status, new["spec"], now)
        return
    else:
        unchanged = status == before
        text = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
    if not unchanged:
        found.append(fieldpath.invalid("status", OMIT, text))


def _conditions(found: fieldpath.ErrorList, given: Sequence[Object]) -> None:
    known = 0
    for index, one in enumerate(given):
        kind, place = one.get("type") or "", f"{CONDITIONS}.[{index}]"
        if kind not in KINDS:
            found.append(fieldpath.not_supported(place + ".type", kind, KINDS))
            continue
        known += 1
        if known > 1:
            text = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            found.append(fieldpath.invalid(place + ".type", kind, text))
        if one.get("status") != "True":
            found.append(fieldpath.not_supported(place + ".status", one.get("status") or "", ("True",)))
    for index, one in enumerate(given):
        place = f"{CONDITIONS}[{index}]"
        if one.get("type") in [other.get("type") for other in given[:index]]:
            found.append(fieldpath.duplicate(place, one.get("type")))
        _condition(found, place, one)


def _condition(found: fieldpath.ErrorList, place: str, one: Object) -> None:
    """Upstream: ValidateCondition of apimachinery."""
    if not one.get("type"):
        found.append(fieldpath.required(place + ".type", "is required"))
    else:
        formats.each(found, place + ".type", one["type"], formats.qualified_name)
    formats.one_of(found, place + ".status", one.get("status"), ("False", "True", "Unknown"))
    if one.get("observedGeneration", 0) < 0:
        text = "must be greater than or equal to zero"
        found.append(fieldpath.invalid(place + ".observedGeneration", one["observedGeneration"], text))
    if not one.get("lastTransitionTime"):
        found.append(fieldpath.required(place + ".lastTransitionTime"))
    reason = one.get("reason") or ""
    if not reason:
        found.append(fieldpath.required(place + ".reason"))
    elif not _reason(reason):
        found.append(fieldpath.invalid(place + ".reason", reason, REASON))
    for field, most in (("reason", LONGEST_REASON), ("message", LONGEST_MESSAGE)):
        if len((one.get(field) or "").encode()) > most:
            found.append(fieldpath.too_long(f"{place}.{field}", "", most))


def _issued(status: Object, spec: Object, now: datetime.datetime) -> fieldpath.ErrorList:
    """What is wrong with the certificate and with what the status says about it."""
    chain: str = status.get("certificateChain") or ""
    if len(chain.encode()) > LONGEST_CHAIN:
        return [fieldpath.too_long(CHAIN, "", LONGEST_CHAIN)]
    certificates = list(pem.blocks(chain.encode()))
    leaf, text = _leaf(certificates)
    if leaf is None:
        return [fieldpath.invalid(CHAIN, chain, text)]
    found = _names(leaf)
    if leaf.public_key() != x509.load_der_x509_csr(base64.b64decode(spec["stubPKCS10Request"])).public_key():
        text = "leaf certificate was not issued to the requested public key"
        return [*found, fieldpath.invalid(CHAIN, chain, text)]
    consistent = "must be present and consistent with the issued certificate"
    range_ = "must be present and in the range [notbefore+10min, notafter-10min]"
    for place, text in ((NOT_BEFORE, consistent), (NOT_AFTER, consistent), (REFRESH, range_)):
        if not status.get(place.partition(".")[2]):
            found.append(fieldpath.required(place, text))
    if found:
        return found
    if error := _times(status, leaf, spec["maxExpirationSeconds"], now):
        return [error]
    for block in certificates[1:]:
        if block.type != "CERTIFICATE":
            text = "issued certificate chain must consist entirely of CERTFICATE PEM blocks"
        elif _parse(block) is None:
            text = "intermediate certificate does not parse as valid X.509"
        else:
            continue
        return [fieldpath.invalid(CHAIN, chain, text)]
    return []


def _parse(block: pem.Block) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(block.content)
    except ValueError:
        return None


def _leaf(certificates: Sequence[pem.Block]) -> tuple[x509.Certificate | None, str]:
    if not certificates:
        return None, "issued certificate chain must contain at least one certificate"
    if certificates[0].type != "CERTIFICATE":
        return None, "issued certificate chain must consist entirely of CERTIFICATE PEM blocks"
    return _parse(certificates[0]), "leaf certificate does not parse as valid X.509"


def _names(leaf: x509.Certificate) -> fieldpath.ErrorList:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    bad: tuple[tuple[Callable[[str], bool], str], ...] = (
        (lambda name: not name, "leaf certificate should not contain empty DNSName"),
        (lambda name: ".." in name, "leaf certificate's DNSName should not contain '..'"),
        (
            lambda name: name.startswith(".") or name.endswith("."),
            "leaf certificate's DNSName should not start or end with '.'",
        ),
    )
    return [
        fieldpath.invalid(CHAIN, name, text)
        for name in names.get_values_for_type(x509.DNSName)
        for is_bad, text in bad
        if is_bad(name)
    ] + [
        fieldpath.invalid(CHAIN, address, "leaf certificate should not contain invalid EmailAddress")
        for address in names.get_values_for_type(x509.RFC822Name)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address)
    ]


def _times(status: Object, leaf: x509.Certificate, most: int, now: datetime.datetime) -> fieldpath.FieldError | None:
    begin, end, refresh = (timestamps.parse(status[one]) for one in ("notBefore", "notAfter", "beginRefreshAt"))
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    nanoseconds = int(lifetime.total_seconds()) * 10**9
    ten, five = datetime.timedelta(minutes=10), datetime.timedelta(minutes=5)
    equal = "must be set to the {} time encoded in the leaf certificate"
    rules: tuple[tuple[bool, str, Any, str], ...] = (
        (begin == leaf.not_valid_before_utc, NOT_BEFORE, status["notBefore"], equal.format("NotBefore")),
        (
            abs(begin - now) < five,
            NOT_BEFORE,
            status["notBefore"],
            "must be set to within 5 minutes of kube-apiserver's current time",
        ),
        (end == leaf.not_valid_after_utc, NOT_AFTER, status["notAfter"], equal.format("NotAfter")),
        (lifetime.total_seconds() >= HOUR, CHAIN, nanoseconds, "leaf certificate lifetime must be >= 1 hour"),
        (
            lifetime.total_seconds() <= most,
            CHAIN,
            nanoseconds,
            f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})",
        ),
        (
            refresh >= begin + ten,
            REFRESH,
            status["beginRefreshAt"],
            "must be at least 10 minutes after status.notBefore",
        ),
        (
            refresh <= end - ten,
            REFRESH,
            status["beginRefreshAt"],
            "must be at least 10 minutes before status.notAfter",
        ),
    )
    return next((fieldpath.invalid(place, value, text) for good, place, value, text in rules if not good), None)
