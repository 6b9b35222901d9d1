"""DELETE a collection: every object that the selectors want.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/delete.go (DeleteCollection).
"""

from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import deleter
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, negotiate, options, present, selecting
from pybernetes.storage import listing


async def delete_collection(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Delete the objects one by one; the answer lists them as they were last."""
    negotiate.output(context)
    decode.check_size(context)
    asked = options.list_request(context, context.kind)
    op, given = options.delete(context)
    page = await selecting.page(context, store, asked)
    deleted = await deleter.delete_collection(store, op, given, page.items)
    return await present.many(context, store, listing.Page(deleted, page.revision))
