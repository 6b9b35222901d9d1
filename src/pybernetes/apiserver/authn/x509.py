"""Client certificates: common name is the user, organisations are the groups.

The TLS layer has verified the chain already; validity is looked at again, since connections live long.
Upstream: k8s.io/apiserver/pkg/authentication/request/x509.
"""

import hashlib

from pybernetes.aio import clock as clocks
from pybernetes.apiserver.authn import authenticator
from pybernetes.apiserver.authn import user as users
from pybernetes.crypto import certs

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class CertificateAuthenticator:
    """Turns a verified client certificate (DER) into a user."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock

    def authenticate_certificate(self, der: bytes) -> users.UserInfo | None:
        """The subject as a user. Raises RejectedError for one out of its time."""
        subject = certs.identity(der)
        if not subject.not_before <= self._clock.now() <= subject.not_after:
            raise authenticator.RejectedError("certificate has expired or is not yet valid")
        if not subject.common_name:
            return None
        fingerprint = hashlib.sha256(der).hexdigest()
        return users.UserInfo(
            subject.common_name,
            (*subject.organizations, users.AUTHENTICATED),
            extra={CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)},
        )
