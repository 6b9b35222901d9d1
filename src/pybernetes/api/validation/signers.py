"""Names of signers and of what they sign for.

Upstream: pkg/apis/core/validation/names.go. Pure.
"""

from pybernetes.api.validation import formats
from pybernetes.api.validation.formats import Messages
from pybernetes.apimachinery import fieldpath

LONGEST_DOMAIN = 253
LONGEST = LONGEST_DOMAIN + 253 + 63 + 1 + 1
FORM = "must be a fully qualified domain and path of the form 'example.com/signer-name'"


def signer_name(found: fieldpath.ErrorList, where: str, name: str) -> None:
    """`example.com/signer`: a domain and a path."""
    if not name:
        found.append(fieldpath.required(where))
        return
    domain, slash, path = name.partition("/")
    if not slash or "/" in path:
        found.append(fieldpath.invalid(where, name, FORM))
        return
    if len(domain) > LONGEST_DOMAIN:
        found.append(fieldpath.too_long(where, "", LONGEST_DOMAIN))
    _labels(found, where, domain, formats.dns_label)
    if "." not in domain:
        text = "should be a domain with at least two segments separated by dots"
        found.append(fieldpath.invalid(where, domain, text))
    _labels(found, where, path, formats.dns_subdomain)
    if len(name) > LONGEST:
        found.append(fieldpath.too_long(where, "", LONGEST))


def is_kubernetes(name: str) -> bool:
    """Whether the project itself says what that signer does."""
    return f".{name.partition('/')[0]}".endswith(".kubernetes.io")


def _labels(found: fieldpath.ErrorList, where: str, dotted: str, check: formats.Check) -> None:
    """The first bad label, as upstream stops there."""
    for label in dotted.split("."):
        messages = check(label)
        for message in messages:
            found.append(fieldpath.invalid(where, dotted, f'validating label "{label}": {message}'))
        if messages:
            return


def bundle_name(name: str) -> Messages:
    """The name of a ClusterTrustBundle: with a signer it begins with that signer's name."""
    if ":" not in name:
        return formats.dns_subdomain(name)
    return bundle_name_of(name.rpartition(":")[0].replace(":", "/"))(name)


def bundle_name_of(signer: str) -> formats.Check:
    """What the name of a bundle of that signer ("": of none) must be."""

    def check(name: str) -> Messages:
        if not signer:
            if ":" in name:
                return ('ClusterTrustBundle without signer name must not have ":" in its name',)
            return formats.dns_subdomain(name)
        prefix = signer.replace("/", ":") + ":"
        if not name.startswith(prefix):
            text = f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
            return (text,)
        return formats.dns_subdomain(name.removeprefix(prefix))

    return check
