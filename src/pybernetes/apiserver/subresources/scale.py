"""`scale`: how many replicas, the same small object for whatever has replicas.

Upstream: pkg/registry/apps/*/storage, k8s.io/apiextensions-apiserver/pkg/registry/customresource (ScaleREST).
"""

import dataclasses
from typing import Any

from pybernetes.api import kinds
from pybernetes.apimachinery import errors, fieldpath, gvk, labels
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import managers, operation
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, negotiate, options, patch, present, update
from pybernetes.telemetry import traces

Object = dict[str, Any]

SCALE = gvk.GroupVersionKind("autoscaling", "v1", "Scale")
PATHS = (".spec.replicas", ".status.replicas", ".spec.selector")
"""Where built-in kinds have the replicas wanted, the replicas there are, and the selector."""
KIND = kinds.Kind("autoscaling", "v1", "Scale", "scales", "scale", namespaced=True)


def view(obj: Object, paths: tuple[str, str, str]) -> Object:
    """The Scale of an object; `paths` are where its replicas, its current replicas and its selector are."""
    spec_path, status_path, selector_path = paths
    facts = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": _dig(obj, status_path) or 0}
    selector = _dig(obj, selector_path)
    text = selector if isinstance(selector, str) else _selector(obj, selector)
    if text:
        status["selector"] = text
    replicas = _dig(obj, spec_path)
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {name: facts[name] for name in kept if name in facts},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _checked(obj: Object, kind: kinds.Kind, paths: tuple[str, str, str]) -> Object:
    """The Scale of an object; a custom resource must say how many it wants."""
    if kind.custom and _dig(obj, paths[0]) is None:
        raise errors.InternalError(f'the spec replicas field "{paths[0]}" does not exist')
    return view(obj, paths)


def _selector(obj: Object, selector: Object | None) -> str:
    if selector is None:
        return ""
    if obj["kind"] == "ReplicationController":
        selector = {"matchLabels": selector}
    return str(labels.from_label_selector(selector))


def _dig(obj: Any, path: str) -> Any:
    for name in path.strip(".").split(".") if path else ():
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj if path else None


def _put(obj: Object, path: str, value: int) -> None:
    *parents, last = path.strip(".").split(".")
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = value


@dataclasses.dataclass(frozen=True, slots=True)
class _View:
    """How admission sees an object that is scaled."""

    paths: tuple[str, str, str]

    def show(self, obj: Object) -> Object:
        return view(obj, self.paths)

    def put(self, obj: Object, shown: Object) -> None:
        replicas = (shown.get("spec") or {}).get("replicas") or 0
        if replicas != _dig(obj, self.paths[0]):
            _put(obj, self.paths[0], replicas)


async def scale(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Read or write the number of replicas."""
    info = context.info
    negotiate.output(context, transforms=False)
    custom = context.kind.custom
    paths = (custom.scale if custom else None) or PATHS
    if info.verb == "get":
        found = await store.get(info.namespace, info.name)
        return present.value(context, _checked(await store.convert(found.object(), context.kind), context.kind, paths))
    change = _patched(context) if info.verb == "patch" else _replaced(context)
    op = options.write(
        context,
        "PatchOptions" if info.verb == "patch" else "UpdateOptions",
        patch=patch.NAMES[patch.media_type(context)] if info.verb == "patch" else "",
    )
    op.view = _View(paths)
    wanted = operation.Preconditions()

    async def mutate(current: Object | None) -> Object:
        assert current is not None
        scaled = change(view(current, paths))
        if not context.kind.custom:
            _check(context, scaled)
        given = scaled["metadata"].get("resourceVersion") or ""
        if given and given != current["metadata"]["resourceVersion"]:
            raise errors.Conflict(store.resource, info.name)
        new: Object = {**current}
        top = paths[0].strip(".").partition(".")[0]
        new[top] = {**(current.get(top) or {})}
        _put(new, paths[0], (scaled.get("spec") or {}).get("replicas") or 0)
        return managers.update(store, op, current, new)

    traces.step(34, f"{info.namespace}/{info.name}")
    done, _ = await store.update(op, mutate, wanted)
    return present.value(context, view(await store.convert(done.object(), context.kind), paths))


def _replaced(context: contexts.RequestContext) -> patch.Apply:
    given = decode.read(context, SCALE)
    given.setdefault("metadata", {})
    update.check_identity(context, given)
    return lambda current: given


def _patched(context: contexts.RequestContext) -> patch.Apply:
    media = patch.media_type(context)
    if media == patch.APPLY:
        media = patch.MERGE
    apply = patch.body_patch(context, media, KIND)

    def change(current: Object) -> Object:
        new = apply(current)
        patch.conform(context, new, media, KIND)
        return new

    return change


def _check(context: contexts.RequestContext, scaled: Object) -> None:
    replicas = (scaled.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        path = fieldpath.Path("spec").child("replicas")
        wrong = fieldpath.invalid(path, replicas, "must be greater than or equal to 0")
        raise errors.Invalid(gvk.GroupKind("autoscaling", "Scale"), context.info.name, [wrong])
