"""Who speaks for a signer: approving, signing and attesting need rights on the signer of what is written.

Upstream: plugin/pkg/admission/certificates (approval, signing, subjectrestriction, ctbattest).
"""

import base64
import dataclasses
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from pybernetes.apimachinery import errors, gvk
from pybernetes.apiserver.admission.attributes import Attributes
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import signers
from pybernetes.apiserver.registry.rbac import roles
from pybernetes.crypto import pem

GROUP = "certificates.k8s.io"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
Object = dict[str, Any]


def _always(new: Object, old: Object) -> bool:
    return True


def _is_signed(new: Object, old: Object) -> bool:
    """Whether the certificate or the conditions changed."""
    now, before = new.get("status") or {}, old.get("status") or {}
    return any((now.get(field) or None) != (before.get(field) or None) for field in ("certificate", "conditions"))


def _is_attested(new: Object, old: Object) -> bool:
    """Whether more changed than what the garbage collector writes."""
    return not old or roles.wanted(new) != roles.wanted(old)


@dataclasses.dataclass(slots=True)
class SignerPermission:
    """A plugin that asks for a right on the signer, when `concerns` says that a write needs it."""

    name: str
    resource: str
    subresource: str
    operations: tuple[str, ...]
    verb: str
    refusal: str
    concerns: Callable[[Object, Object], bool] = _always

    def handles(self, attributes: Attributes) -> bool:
        """The writes it guards."""
        kind = attributes.kind
        return (kind.group, kind.plural, attributes.subresource) == (GROUP, self.resource, self.subresource) and (
            attributes.operation in self.operations
        )

    async def admit(self, attributes: Attributes) -> None:
        """Nothing is changed."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse who has no right on the signer."""
        new, old = attributes.object or {}, attributes.old_object or {}
        signer = ((old or new).get("spec") or {}).get("signerName") or ""
        if not signer or not self.concerns(new, old):
            return
        if not signers.allows(attributes.authorizer, attributes.user, self.verb, signer):
            raise _refuse(attributes, f'user not permitted to {self.refusal} signerName "{signer}"')


class CertificateSubjectRestriction:
    """The plugin `CertificateSubjectRestriction`: nobody asks for a client certificate of `system:masters`."""

    name = "CertificateSubjectRestriction"

    def handles(self, attributes: Attributes) -> bool:
        """New requests."""
        kind = (attributes.kind.group, attributes.kind.plural, attributes.subresource)
        return attributes.operation == "CREATE" and kind == (GROUP, "certificatesigningrequests", "")

    async def admit(self, attributes: Attributes) -> None:
        """Nothing is changed."""

    async def validate(self, attributes: Attributes) -> None:
        """Look at the organizations of the subject; the request was parsed before by validation."""
        spec = (attributes.object or {}).get("spec") or {}
        if spec.get("signerName") != CLIENT_SIGNER:
            return
        block = next(pem.blocks(base64.b64decode(spec.get("request") or "")))
        subject = x509.load_der_x509_csr(block.content).subject
        groups = [one.value for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        if users.SYSTEM_MASTERS in groups:
            text = f"use of {CLIENT_SIGNER} signer with {users.SYSTEM_MASTERS} group is not allowed"
            raise _refuse(attributes, text)


def _refuse(attributes: Attributes, message: str) -> errors.StatusError:
    return errors.Forbidden(gvk.GroupResource(attributes.kind.group, attributes.kind.plural), attributes.name, message)


_REQUESTS = "certificatesigningrequests"
PLUGINS = (
    SignerPermission("CertificateApproval", _REQUESTS, "approval", ("UPDATE",), "approve", "approve requests with"),
    SignerPermission("CertificateSigning", _REQUESTS, "status", ("UPDATE",), "sign", "sign requests with", _is_signed),
    SignerPermission(
        "ClusterTrustBundleAttest",
        "clustertrustbundles",
        "",
        ("CREATE", "UPDATE"),
        "attest",
        "attest for",
        _is_attested,
    ),
    CertificateSubjectRestriction(),
)
