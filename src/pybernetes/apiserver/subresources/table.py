"""Who serves a subresource, and who a resource without storage. `status` and its like are ordinary writes: not here.

Upstream: pkg/registry/*/rest/storage_*.go.
"""

from collections.abc import Awaitable, Callable

from pybernetes.api import kinds
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import binding, eviction, scale

Handler = Callable[[contexts.RequestContext, stores.Store], Awaitable[contexts.AnyResponse]]
Virtual = Callable[[contexts.RequestContext], Awaitable[contexts.AnyResponse]]

SUBRESOURCES: dict[tuple[str, str, str], Handler] = {
    ("", "pods", "binding"): binding.bind,
    ("", "pods", "eviction"): eviction.evict,
}
"""(group, plural, subresource) → handler, for every verb that the kind's row allows."""

ANYWHERE: dict[str, Handler] = {"scale": scale.scale}
"""Subresource → handler, whatever the kind (custom resources have them too)."""

VIRTUAL: dict[tuple[str, str], Virtual] = {("", "bindings"): binding.create_binding}
"""(group, plural) → handler of a resource that is not stored."""


def find(kind: kinds.Kind, name: str, verb: str) -> Handler | None:
    """The special handler of a subresource, if it has one."""
    return SUBRESOURCES.get((kind.group, kind.plural, name)) or ANYWHERE.get(name)
