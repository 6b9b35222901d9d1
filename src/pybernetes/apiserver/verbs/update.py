"""PUT one object (or its status).

Upstream: k8s.io/apiserver/pkg/endpoints/handlers/update.go.
"""

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.patch import values
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import managers, operation
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, get, negotiate, options, present


async def update(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Replace the object by the one in the body; 201 if it had to be created."""
    negotiate.output(context)
    get.check_name(context.info.name)
    op = options.write(context, "UpdateOptions")
    obj = decode.obj(context, store)
    check_identity(context, obj)
    wanted = operation.Preconditions(uid=obj["metadata"].get("uid") or "")

    async def replace(current: stores.Object | None) -> stores.Object:
        # The hooks change what they get, and after a conflict it is asked for again.
        return managers.update(store, op, current, values.copy(obj))

    done, created = await store.update(op, replace, wanted)
    return await present.one(context, store, done, 201 if created else 200)


def check_identity(context: contexts.RequestContext, obj: stores.Object) -> None:
    """The object must be the one the URL names; one without a name gets it from there. Raises BadRequest."""
    name = context.info.name
    given = obj["metadata"].get("name") or ""
    if not given:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise errors.BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")
