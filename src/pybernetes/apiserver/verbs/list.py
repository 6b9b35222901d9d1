"""GET a collection.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/get.go (ListResource).
"""

from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import options, present, selecting, table


async def list_(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Answer with the objects of a namespace, or of all, that the selectors want."""
    asked = options.list_request(context, context.kind)
    if context.request.raw_query:
        table.include(context)
    page = await selecting.page(context, store, asked)
    return await present.many(context, store, page)
