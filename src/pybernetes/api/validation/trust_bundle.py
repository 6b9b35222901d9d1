"""ClusterTrustBundles: named after their signer, made of certificates of authorities.

Upstream: pkg/apis/certificates/validation (ValidateClusterTrustBundle). Pure.
"""

from cryptography import x509

from pybernetes.api.validation import formats, signers
from pybernetes.api.validation.formats import Object
from pybernetes.apimachinery import fieldpath
from pybernetes.crypto import pem

LONGEST = 1 << 20
PLACE, OMITTED = "spec.trustBundle", "<value omitted>"


def bundle(found: fieldpath.ErrorList, obj: Object) -> None:
    """A new bundle."""
    _named(found, obj)
    _certificates(found, obj["spec"].get("trustBundle") or "")


def update(found: fieldpath.ErrorList, new: Object, old: Object) -> None:
    """A change of one; certificates that stay are not judged again."""
    _named(found, new)
    text, signer = new["spec"].get("trustBundle") or "", new["spec"].get("signerName") or ""
    if text != (old["spec"].get("trustBundle") or ""):
        _certificates(found, text)
    formats.immutable(found, "spec.signerName", signer, old["spec"].get("signerName") or "")


def _named(found: fieldpath.ErrorList, obj: Object) -> None:
    signer = obj["spec"].get("signerName") or ""
    if name := obj["metadata"].get("name"):
        formats.each(found, "metadata.name", name, signers.bundle_name_of(signer))
    if signer:
        signers.signer_name(found, "spec.signerName", signer)


def _certificates(found: fieldpath.ErrorList, text: str) -> None:
    if len(text.encode()) > LONGEST:
        found.append(fieldpath.too_long(PLACE, "", LONGEST))
        return
    seen: dict[bytes, list[int]] = {}
    problems = []
    for index, block in enumerate(pem.blocks(text.encode())):
        if problem := _problem(block):
            problems.append(f"entry {index} {problem}")
        seen.setdefault(block.content, []).append(index)
    if not seen:
        problems = ["at least one trust anchor must be provided"]
    elif not problems:
        twice = (indices for indices in seen.values() if len(indices) > 1)
        problems = [f"duplicate trust anchor (indices [{' '.join(map(str, one))}])" for one in twice]
    found += (fieldpath.invalid(PLACE, OMITTED, problem) for problem in problems)


def _problem(block: pem.Block) -> str:
    if block.type != "CERTIFICATE":
        return f"has bad block type: {block.type}"
    if block.headers:
        return "has PEM block headers"
    try:
        certificate = x509.load_der_x509_certificate(block.content)
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    except ValueError:
        return "does not parse as X.509"
    return "" if is_authority else "does not have the CA bit set"
