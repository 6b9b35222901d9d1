"""The objects that a request's selectors want.

Fields of a custom resource whose versions a webhook converts exist only in some of them: there field selectors are
judged on the converted objects, and a limit is not heeded (as upstream's for resourceVersion 0).
Upstream: apiextensions-apiserver pkg/apiserver/customresource_handler.go (a cache of each version).
"""

from pybernetes.apimachinery import labels
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import options
from pybernetes.storage import cached, listing


async def page(context: contexts.RequestContext, store: stores.Store, asked: options.ListRequest) -> listing.Page:
    """What the request's list holds, as it is stored."""
    cache = await store.ready()
    namespace = context.info.namespace
    prefix = f"{store.prefix}{namespace}/" if namespace and store.kind.namespaced else ""
    early, late = split(store, asked.selection)
    limit = asked.limit if late is None else 0
    found = await cache.list(
        prefix, listing.ListOptions(asked.resource_version, asked.match, limit, asked.continue_token, early)
    )
    if late is None:
        return found
    shown = await store.in_version(found.items, context.kind)
    items = [item for item, one in zip(found.items, shown, strict=True) if late.matches(one)]
    return listing.Page(items, found.revision)


def split(store: stores.Store, selection: cached.Selection) -> tuple[cached.Selection, cached.Selection | None]:
    """What can be judged of stored objects, and what only of converted ones."""
    wanted = selection.fields
    if wanted is None or not store.strategy.mixed:
        return selection, None
    if all(one.field.startswith("metadata.") for one in wanted.requirements):
        return selection, None
    return cached.Selection(selection.labels or labels.EVERYTHING), cached.Selection(field_selector=wanted)
