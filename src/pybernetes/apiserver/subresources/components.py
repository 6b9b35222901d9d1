"""`componentstatuses`: deprecated, made up on the spot, asked for by old habits.

Upstream: pkg/registry/core/componentstatus.
"""

from typing import Any

from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.verbs import negotiate, present, table

NAMES = ("controller-manager", "etcd-0", "scheduler")


def _status(name: str) -> dict[str, Any]:
    condition = {"type": "Healthy", "status": "True", "message": "ok"}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]}


async def serve(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET one or all."""
    name, form = context.info.name, negotiate.output(context)
    if name and name not in NAMES:
        raise errors.NotFound("componentstatus", name)
    found = [_status(one) for one in ((name,) if name else NAMES)]
    if form.transform == negotiate.TABLE:
        return present.value(context, table.of(context, found, {}))
    if name:
        return present.value(context, found[0])
    items = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in found]
    head = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}}
    return present.value(context, {**head, "items": items})
