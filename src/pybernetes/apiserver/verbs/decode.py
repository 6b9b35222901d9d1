"""The object in a request's body, decoded, checked against its kind and completed with defaults.

Path: 6 verb handler decodes, defaults, converts.
Upstream: k8s.io/apiserver/pkg/endpoints/handlers/{create,update,rest}.go.
"""

import functools
from typing import Any

from pybernetes.api.codec import body as bodies
from pybernetes.apimachinery import errors, gvk
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import negotiate

Object = dict[str, Any]

MAX_BYTES = 3 * 1024 * 1024


def validation(context: contexts.RequestContext) -> str:
    """What becomes of unknown and repeated fields: Ignore, Warn or Strict."""
    return context.parameter("fieldValidation") or bodies.WARN


def check_size(context: contexts.RequestContext) -> None:
    """Refuse bodies that are too large. Raises RequestEntityTooLarge."""
    if len(context.request.body) > MAX_BYTES:
        raise errors.RequestEntityTooLarge(f"limit is {MAX_BYTES}")


def read(
    context: contexts.RequestContext, expected: gvk.GroupVersionKind, schema: bodies.Schema | None = None
) -> Object:
    """The body as an object of that kind. Raises BadRequest, UnsupportedMediaType."""
    check_size(context)
    media = negotiate.body_media(context.request)
    found = bodies.read(context.request.body, media, expected, validation=validation(context), schema=schema)
    for text in found.warnings:
        context.warn(text)
    return found.obj


def obj(context: contexts.RequestContext, store: stores.Store) -> Object:
    """The body as an object of the request's kind, with defaults."""
    kind = context.kind
    found = read(context, kind.gvk, functools.partial(store.strategy.read, kind) if kind.custom else None)
    if not isinstance(found.get("metadata"), dict):
        found["metadata"] = {}
    store.environment.rules.default(kind, found)
    return found
