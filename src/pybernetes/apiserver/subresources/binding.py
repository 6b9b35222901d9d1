"""`pods/binding` (and the old `bindings`): the scheduler's decision, written once.

Path: 13 scheduler picks a node, binds. Upstream: pkg/registry/core/pod/storage/storage.go (BindingREST).
"""

from typing import Any

from pybernetes.apimachinery import errors, fieldpath, gvk, meta, timestamps
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import operation
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, negotiate, options, present

Object = dict[str, Any]

BINDING = gvk.GroupVersionKind("", "v1", "Binding")
RESOURCE = gvk.GroupResource("", "pods/binding")
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """POST pods/NAME/binding."""
    given = _read(context)
    if given["metadata"].get("name") != context.info.name:
        raise errors.BadRequest("name in URL does not match name in Binding object")
    op = options.write(context, "CreateOptions")
    return await _assign(context, store, op, given)


async def create_binding(context: contexts.RequestContext) -> contexts.AnyResponse:
    """POST bindings: the Pod is named by the object."""
    given = _read(context)
    op = options.write(context, "CreateOptions")
    op.name = given["metadata"].get("name") or ""
    pods = context.server.stores.by_resource("", "pods")
    assert pods is not None
    return await _assign(context, pods, op, given)


def _read(context: contexts.RequestContext) -> Object:
    negotiate.output(context, transforms=False)
    given = decode.read(context, BINDING)
    given.setdefault("metadata", {})
    stores.place(given, context.info.namespace)
    return given


async def _assign(
    context: contexts.RequestContext, store: stores.Store, op: operation.Operation, given: Object
) -> contexts.AnyResponse:
    target = given.get("target") or {}
    wrong: fieldpath.ErrorList = []
    path = fieldpath.Path("target")
    if target.get("kind") not in (None, "", "Node"):
        wrong.append(fieldpath.not_supported(path.child("kind"), target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        wrong.append(fieldpath.required(path.child("name")))
    if wrong:
        raise errors.StatusError(fieldpath.aggregate(wrong), reason="")
    given = await store.environment.admission.both(store.attributes(op, "CREATE", given, None))
    target = given.get("target") or {}
    facts = given["metadata"]
    now = timestamps.format_time(context.clock.now())

    def assign(pod: Object) -> None:
        _refuse_unfit(pod)
        pod["spec"]["nodeName"] = target["name"]
        for member in ("annotations", "labels"):
            if facts.get(member):
                pod["metadata"][member] = {**(pod["metadata"].get(member) or {}), **facts[member]}
        status = pod.setdefault("status", {})
        status.pop("nominatedNodeName", None)
        conditions = status.setdefault("conditions", [])
        kept = [one for one in conditions if one.get("type") != "PodScheduled"]
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        status["conditions"] = [*kept, scheduled]

    wanted = operation.Preconditions(facts.get("uid") or "", facts.get("resourceVersion") or "")
    await store.rewrite(op, assign, wanted)
    return present.value(context, SUCCESS, 201)


def _refuse_unfit(pod: Object) -> None:
    name = pod["metadata"]["name"]
    problem = ""
    if meta.is_deleting(pod):
        problem = f"pod {name} is being deleted, cannot be assigned to a host"
    elif pod["spec"].get("nodeName"):
        problem = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
    elif pod["spec"].get("schedulingGates"):
        problem = f"pod {name} has non-empty .spec.schedulingGates"
    if problem:
        raise errors.Conflict(RESOURCE, name, problem)
