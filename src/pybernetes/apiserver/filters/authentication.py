"""Who are you: every request gets a user, or 401.

Path: 4 who are you.
Upstream: k8s.io/apiserver/pkg/endpoints/filters/authentication.go.
"""

from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import authenticator


class Authentication:
    """The filter; `methods` is asked for the user of each request."""

    def __init__(self, methods: authenticator.Authenticator) -> None:
        self._methods = methods

    async def __call__(self, context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
        """Establish the user, or raise errors.Unauthorized."""
        context.user = await self._methods.authenticate(context.request)
        return await proceed(context)
