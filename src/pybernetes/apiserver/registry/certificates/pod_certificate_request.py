"""PodCertificateRequests: the spec stays as it was made; the status is the signer's alone, and says its word once.

Upstream: pkg/registry/certificates/podcertificaterequest.
"""

from pybernetes.api.validation import pod_certificate
from pybernetes.apimachinery import fieldpath, goformat
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import signers
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object


class PodCertificateRequestStrategy(strategy.Strategy):
    """Of PodCertificateRequests."""

    generation = False
    allow_unconditional_update = False

    def __init__(self, authorizer: questions.Authorizer) -> None:
        self._authorizer = authorizer

    def validate_update(self, context: strategy.Context, new: Object, old: Object) -> list[fieldpath.FieldError]:
        """Who changes the status may sign for the signer."""
        found: fieldpath.ErrorList = []
        if context.subresource != "status":
            return found
        pod_certificate.status_update(found, new, old, context.clock.now())
        user, signer = context.requester, old["spec"].get("signerName") or ""
        if found or user is None or (new.get("status") or {}) == (old.get("status") or {}):
            return found
        if not signers.allows(self._authorizer, user, "sign", signer):
            quoted = goformat.quote(user.name), goformat.quote(signer)
            text = f'User {quoted[0]} is not permitted to "sign" for signer {quoted[1]}'
            found.append(fieldpath.forbidden("spec.signerName", text))
        return found
