"""Who serves a subresource, and who a resource without storage. `status` and its like are ordinary writes: not here.

Upstream: pkg/registry/*/rest/storage_*.go.
"""

from collections.abc import Awaitable, Callable

from pybernetes.api import kinds
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import binding, components, eviction, pods, proxy, reviews, scale, token

Handler = Callable[[contexts.RequestContext, stores.Store], Awaitable[contexts.AnyResponse]]
Virtual = Callable[[contexts.RequestContext], Awaitable[contexts.AnyResponse]]

SUBRESOURCES: dict[tuple[str, str, str], Handler] = {
    ("", "nodes", "proxy"): proxy.node,
    ("", "pods", "attach"): pods.attach,
    ("", "pods", "binding"): binding.bind,
    ("", "pods", "eviction"): eviction.evict,
    ("", "serviceaccounts", "token"): token.create,
    ("", "pods", "exec"): pods.execute,
    ("", "pods", "log"): pods.log,
    ("", "pods", "portforward"): pods.port_forward,
    ("", "pods", "proxy"): proxy.pod,
    ("", "services", "proxy"): proxy.service,
}
"""(group, plural, subresource) → handler, for every verb that the kind's row allows."""

ANYWHERE: dict[str, Handler] = {"scale": scale.scale}
"""Subresource → handler, whatever the kind (custom resources have them too)."""

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"

VIRTUAL: dict[tuple[str, str], Virtual] = {
    ("", "bindings"): binding.create_binding,
    ("", "componentstatuses"): components.serve,
    (AUTHENTICATION, "tokenreviews"): reviews.token,
    (AUTHENTICATION, "selfsubjectreviews"): reviews.self_subject,
    (AUTHORIZATION, "subjectaccessreviews"): reviews.subject_access,
    (AUTHORIZATION, "localsubjectaccessreviews"): reviews.local_subject_access,
    (AUTHORIZATION, "selfsubjectaccessreviews"): reviews.self_subject_access,
    (AUTHORIZATION, "selfsubjectrulesreviews"): reviews.self_subject_rules,
}
"""(group, plural) → handler of a resource that is not stored."""


def find(kind: kinds.Kind, name: str, verb: str) -> Handler | None:
    """The special handler of a subresource, if it has one."""
    return SUBRESOURCES.get((kind.group, kind.plural, name)) or ANYWHERE.get(name)
