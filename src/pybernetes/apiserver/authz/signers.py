"""May this user do that to what a signer signs: rights on `signers`, by name or for a whole domain.

Upstream: pkg/certauthorization.
"""

from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions


def allows(authorizer: questions.Authorizer, user: users.UserInfo, verb: str, signer: str) -> bool:
    """Whether the user may `sign`, `approve` or `attest` for `example.com/signer`, or for `example.com/*`."""
    return any(
        authorizer.authorize(questions.Attributes(user, verb, "certificates.k8s.io", "*", "signers", name=name)).verdict
        is questions.Verdict.ALLOW
        for name in (signer, signer.partition("/")[0] + "/*")
    )
