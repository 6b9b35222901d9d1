"""DELETE one object.

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/delete.go.
"""

from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import deleter
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, get, negotiate, options, present


async def delete(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Delete the object; the answer is a Status, or the object while it is still there (or its kind wants that)."""
    negotiate.output(context)
    get.check_name(context.info.name)
    decode.check_size(context)
    op, given = options.delete(context)
    outcome = await deleter.delete(store, op, given)
    if outcome.gone and not store.strategy.returns_deleted:
        details = {
            "name": op.name,
            "group": store.kind.group,
            "kind": store.kind.plural,
            "uid": outcome.last.object()["metadata"]["uid"],
        }
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return present.value(context, {**status, "details": {name: text for name, text in details.items() if text}})
    accepted = not outcome.gone and given.get("orphanDependents") is False
    return await present.one(context, store, outcome.last, 202 if accepted else 200)
