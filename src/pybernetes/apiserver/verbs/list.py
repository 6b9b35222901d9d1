"""GET a collection.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/get.go (ListResource).
"""

from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import options, present, table
from pybernetes.storage import listing


async def list_(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Answer with the objects of a namespace, or of all, that the selectors want."""
    asked = options.list_request(context, context.kind)
    if context.request.raw_query:
        table.include(context)
    cache = await store.ready()
    namespace = context.info.namespace
    prefix = f"{store.prefix}{namespace}/" if namespace and store.kind.namespaced else ""
    page = await cache.list(
        prefix,
        listing.ListOptions(asked.resource_version, asked.match, asked.limit, asked.continue_token, asked.selection),
    )
    return await present.many(context, store, page)
