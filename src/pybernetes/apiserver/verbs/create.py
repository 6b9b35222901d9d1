"""POST to a collection.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/create.go.
"""

from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import managers
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, negotiate, options, present


async def create(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Create the object in the body; 201 with what was stored."""
    negotiate.output(context)
    op = options.write(context, "CreateOptions")
    obj = decode.obj(context, store)
    op.name = obj["metadata"].get("name") or ""
    stores.place(obj, op.namespace)
    made = await store.create(op, managers.update(store, op, None, obj))
    return await present.one(context, store, made, 201)
