"""May you: the authorizers are asked in order; the first that allows or denies decides, nobody's opinion is a no.

Path: 5 may you.
Upstream: k8s.io/apiserver/pkg/endpoints/filters/authorization.go, pkg/authorization/union.
"""

from collections.abc import Sequence

from pybernetes.apimachinery import errors, gvk
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver import request_info
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions

MASTERS = questions.Decision(questions.Verdict.ALLOW)


class Union:
    """Several authorizers as one. Members of `system:masters` may do anything."""

    def __init__(self, authorizers: Sequence[questions.Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: questions.Attributes) -> questions.Decision:
        """The first verdict that is one; reasons of those without opinion are gathered."""
        if users.SYSTEM_MASTERS in attributes.user.groups:
            return MASTERS
        reasons = []
        for one in self._authorizers:
            decision = one.authorize(attributes)
            if decision.verdict is not questions.Verdict.NO_OPINION:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return questions.Decision(questions.Verdict.NO_OPINION, ", ".join(reasons))


class Authorization:
    """The filter."""

    def __init__(self, authorizer: questions.Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(self, context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
        """Go on when allowed, or raise errors.Forbidden."""
        assert context.user is not None
        asked = question(context.user, context.info, context.request.query)
        decision = self._authorizer.authorize(asked)
        if decision.verdict is not questions.Verdict.ALLOW:
            raise refusal(asked, decision.reason)
        return await proceed(context)


def question(
    user: users.UserInfo, info: request_info.RequestInfo, query: dict[str, list[str]] | None = None
) -> questions.Attributes:
    """What is asked of the authorizers for a request."""
    if not info.is_resource:
        return questions.Attributes(user, info.verb, path=info.path, resource_request=False)
    field_selector = ""
    name = info.name
    if query and info.verb in ("list", "watch", "deletecollection") and "fieldSelector" in query:
        field_selector = query["fieldSelector"][0]
    return questions.Attributes(
        user,
        info.verb,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=name,
        path=info.path,
        field_selector=field_selector,
    )


def refusal(asked: questions.Attributes, reason: str) -> errors.StatusError:
    """The 403 as upstream words it."""
    message = f'User "{asked.user.name}" cannot {asked.verb} '
    if not asked.resource_request:
        return errors.Forbidden(gvk.GroupResource("", ""), "", message + f'path "{asked.path}"' + _because(reason))
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    scope = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    message += f'resource "{resource}" in API group "{asked.group}" {scope}' + _because(reason)
    return errors.Forbidden(gvk.GroupResource(asked.group, asked.resource), asked.name, message)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
