"""PATCH one object: JSON patch, merge patch, strategic merge patch, server-side apply.

The patch is applied to the newest object; when somebody else writes in between, it is applied again to theirs.
Upstream: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

from pybernetes.api import kinds, schemas
from pybernetes.api.codec import body as bodies
from pybernetes.api.codec import failure, json, strict, structure, yaml
from pybernetes.apimachinery import errors, fieldpath, gvk
from pybernetes.apimachinery.patch import json_patch, merge, strategic, values
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import managers, metadata, operation
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import decode, get, negotiate, options, present

_MISMATCH = re.compile(r"json: cannot unmarshal (\w+).* into Go struct field \S+ of type (\S+)")

Object = dict[str, Any]
Apply = Callable[[Object], Object]

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
NAMES = {JSON_PATCH: "json", MERGE: "merge", STRATEGIC: "strategic", APPLY: "apply"}

UNPROCESSABLE = "the server rejected our request due to an error in our request"


async def patch(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """Answer with the patched object; 201 if apply created it."""
    negotiate.output(context)
    get.check_name(context.info.name)
    media = media_type(context)
    op = options.write(context, "PatchOptions", patch=NAMES[media])
    decode.check_size(context)
    if media == APPLY:
        mutate = _applier(context, store, op)
    else:
        mutate = _patcher(context, store, op, media)
    done, created = await store.update(op, mutate, may_create=media == APPLY)
    return await present.one(context, store, done, 201 if created else 200)


def media_type(context: contexts.RequestContext) -> str:
    """Which kind of patch the body is. Raises UnsupportedMediaType."""
    media = (context.request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media not in NAMES:
        error = errors.UnsupportedMediaType(())
        error.message, error.details = "415: Unsupported Media Type", {}
        raise error
    if media == STRATEGIC and context.kind.custom:
        raise errors.UnsupportedMediaType((JSON_PATCH, MERGE, APPLY))
    return media


def _patcher(
    context: contexts.RequestContext, store: stores.Store, op: operation.Operation, media: str
) -> stores.Mutate:
    change = body_patch(context, media, context.kind)

    async def mutate(current: Object | None) -> Object:
        if current is None:
            raise errors.NotFound(store.resource, context.info.name)
        # The result shares with `base` what the patch left alone, and a default may change even that, but in no status.
        base: Object = values.copy(current) if media == STRATEGIC and op.subresource != "status" else current
        new = change(base)
        conform(context, new, media, context.kind, base, lambda: change(base))
        if not isinstance(new.get("metadata"), dict):
            new["metadata"] = {}
        store.environment.rules.default(context.kind, new)
        check_identity(context, new)
        return managers.update(store, op, current, new)

    return mutate


def body_patch(context: contexts.RequestContext, media: str, kind: kinds.Kind) -> Apply:
    """A function that applies the body to an object. Raises BadRequest, Invalid."""
    given = context.request.body
    try:
        content = json.decode(given)
    except failure.DecodeError as error:
        raise errors.BadRequest("invalid JSON patch") from error
    _warn_of_duplicates(context, content)
    if media == JSON_PATCH:
        operations: list[Any] = [] if content is None else content
        _check_operations(operations)
        return lambda current: _answered(json_patch.apply, current, operations)
    if media == MERGE:
        if content is not None and not isinstance(content, dict):
            raise errors.BadRequest(f"error decoding patch: {_not_a_map(content)}")
        return lambda current: _answered(merge.apply, current, content)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise errors.BadRequest(_not_a_map(content))
    schema = strategic_schema(kind)
    return lambda current: _answered(strategic.apply, current, json.decode(given) or {}, schema)


def _not_a_map(content: Any) -> str:
    return f"json: cannot unmarshal {bodies.json_kind(content)} into Go value of type map[string]interface {{}}"


def _check_operations(content: Any) -> None:
    """Hold a JSON patch to the types of its members. Raises BadRequest."""
    problem = f"{bodies.json_kind(content)} into Go value of type []handlers.jsonPatchOp"
    if isinstance(content, list):
        problem = ""
        for one in content:
            if not isinstance(one, dict):
                problem = problem or f"{bodies.json_kind(one)} into Go value of type handlers.jsonPatchOp"
                continue
            for field in ("op", "path", "from"):
                if not problem and not isinstance(one.get(field) or "", str):
                    problem = f"{bodies.json_kind(one[field])} into Go struct field jsonPatchOp.{field} of type string"
    if problem:
        raise errors.BadRequest(f"error decoding patch: json: cannot unmarshal {problem}")


def _warn_of_duplicates(context: contexts.RequestContext, content: Any) -> None:
    """Say, or refuse, what the patch names twice."""
    mode, given, kind = decode.validation(context), context.request.body, context.kind
    if mode == bodies.IGNORE or kind.custom or not isinstance(content, dict) or not json.has_duplicates(given, content):
        return
    found = [text for text in strict.errors(given, kind.api_version, kind.kind) if text.startswith("duplicate")]
    if found and mode == bodies.STRICT:
        raise errors.BadRequest(f"strict decoding error: {', '.join(found)}")
    for text in found:
        context.warn(text)


@functools.cache
def strategic_schema(kind: kinds.Kind) -> strategic.Schema:
    """What a strategic merge patch must know of a built-in kind."""
    definitions = schemas.served()
    name = definitions.name_of(kind.group, kind.version, kind.kind)
    if name is None:
        raise errors.UnsupportedMediaType((JSON_PATCH, MERGE, APPLY))
    return strategic.OpenAPISchema(name, definitions.definition(name), definitions.definition)


def _answered(function: Callable[..., Any], *arguments: Any) -> Object:
    """The patched object, or the refusal in upstream's words."""
    try:
        new = function(*arguments)
    except values.PatchError as error:
        if error.code == 400:
            raise errors.BadRequest(str(error)) from error
        if error.code == 500:
            raise errors.StatusError(str(error), reason="") from error
        raise errors.StatusError(UNPROCESSABLE, code=422, reason="Invalid", details={}) from error
    if not isinstance(new, dict):
        raise errors.StatusError(UNPROCESSABLE, code=422, reason="Invalid", details={})
    return new


def conform(
    context: contexts.RequestContext,
    new: Object,
    media: str,
    kind: kinds.Kind,
    base: Object | None = None,
    again: Callable[[], Object] | None = None,
) -> None:
    """Hold a patched object to the type of its kind, as the decoding of a body would; parts of `base` are of it.

    `again` makes the object once more: what is unknown has been dropped when an error quotes it.
    """
    wrong = ""
    unknown: list[str] = []
    new.setdefault("apiVersion", kind.api_version)
    new.setdefault("kind", kind.kind)
    if (new.get("apiVersion"), new.get("kind")) != (kind.api_version, kind.kind):
        wrong = _not_this_kind(new, kind)
    else:
        try:
            if kind.custom:
                unknown = structure.conform_metadata(new["metadata"]) if new.get("metadata") else []
                unknown += context.server.stores.of(kind).strategy.read(kind, new)
            else:
                unknown = sorted(structure.conform(new, kind.api_version, kind.kind, known=base))
        except failure.DecodeError as error:
            wrong = _converted(error.message) if media == STRATEGIC else error.message
    if unknown and not wrong:
        mode = decode.validation(context)
        if mode == bodies.STRICT:
            wrong = f"strict decoding error: {', '.join(unknown)}"
        elif mode == bodies.WARN:
            for text in unknown:
                context.warn(text)
    if wrong:
        whole = again() if again else new
        shown = values.text(json.decode(context.request.body)) if media == STRATEGIC else _shown(whole)
        raise errors.Invalid(gvk.GroupKind("", ""), "", [fieldpath.invalid("patch", shown, wrong)])


def _not_this_kind(new: Object, kind: kinds.Kind) -> str:
    """What upstream says of a patch that makes another kind of an object."""
    given, version = str(new.get("kind")), str(new.get("apiVersion"))
    if schemas.served().name_of(*gvk.of(new)) is None:
        return failure.NotRegistered(version, given).message
    package = kind.group.partition(".")[0] or "core"
    return f"converting ({version.rpartition('/')[2]}.{given}) to ({package}.{kind.kind}): unknown conversion"


def _converted(message: str) -> str:
    """A type mismatch as upstream's converter says it, which takes the result of a strategic merge apart."""
    found = _MISMATCH.fullmatch(message)
    if found is None:
        return message
    given = {"object": "map", "array": "slice", "number": "int64"}.get(found[1], found[1])
    wanted = found[2]
    if wanted.startswith("[]"):
        return f"cannot restore slice from {given}"
    if wanted.startswith("map["):
        return f"cannot restore map from {given}"
    if wanted == "string":
        return f"cannot convert {given} to string"
    if re.fullmatch(r"u?int\d*|float\d+", wanted):
        return f"unrecognized type: {wanted}"
    return message


def _shown(new: Object) -> str:
    """A patched object as errors quote it: members sorted, metadata in its own order."""
    facts = new.get("metadata")
    ordered = {**new, "metadata": metadata.ordered(facts)} if isinstance(facts, dict) else new
    return json.encode(dict(sorted(ordered.items()))).decode()


def check_identity(context: contexts.RequestContext, new: Object) -> None:
    """A patch cannot make another object of it. Raises BadRequest."""
    given, name = new["metadata"].get("name") or "", context.info.name
    if not given:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise errors.BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")


def _applier(context: contexts.RequestContext, store: stores.Store, op: operation.Operation) -> stores.Mutate:
    kind = context.kind
    try:
        found = yaml.decode(context.request.body)
    except failure.DecodeError as error:
        braced = context.request.body.lstrip().startswith(b"{")
        text = "error decoding patch: error converting YAML to JSON" if braced else "error encoding patch"
        raise errors.BadRequest(f"{text}: {error.message}") from error
    config = {} if found.value is None else found.value
    if not isinstance(config, dict):
        text = "error decoding patch: error unmarshaling JSON: while decoding JSON: "
        raise errors.BadRequest(text + _not_a_map(config))
    actual = gvk.of(config)
    if actual != kind.gvk:
        if not config.get("kind") and not config.get("apiVersion"):
            raise errors.BadRequest("invalid object type: /, Kind=")
        raise errors.BadRequest(f"invalid object type: {actual}")
    facts = config.setdefault("metadata", {})
    facts.setdefault("name", context.info.name)
    check_identity(context, config)
    if facts.get("managedFields"):
        raise errors.BadRequest("metadata.managedFields must be nil")
    if found.strict_errors and decode.validation(context) == bodies.STRICT:
        raise errors.BadRequest(f"error strict decoding YAML: {found.strict_errors[0]}")
    if decode.validation(context) == bodies.WARN:
        for text in found.strict_errors:
            context.warn(text)
    force = bool(options.boolean(context, "force"))

    async def mutate(current: Object | None) -> Object:
        live = {"apiVersion": kind.api_version, "kind": kind.kind} if current is None else current
        new = managers.apply(store, op, live, values.copy(config), force=force)
        conform(context, new, APPLY, kind)
        store.environment.rules.default(kind, new)
        return new

    return mutate
