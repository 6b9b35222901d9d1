"""From stored objects to an answer: the stored bytes as they are wherever possible, else another version or form.

Hot path: one object is its cached bytes and a line end; a list joins cached bytes (bench: tests/bench/api.py).
Upstream: k8s.io/apiserver/pkg/endpoints/handlers/{get,response}.go, responsewriters.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from pybernetes.api import kinds
from pybernetes.api.codec import yaml
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.verbs import negotiate, table
from pybernetes.http import messages
from pybernetes.storage import cached, listing

Object = dict[str, Any]

JSON_HEADERS = b"Cache-Control: no-cache, private\r\nContent-Type: application/json\r\n"
YAML_HEADERS = b"Cache-Control: no-cache, private\r\nContent-Type: application/yaml\r\n"

BLOCK = 12
"""Items of a list that are joined into one piece of the answer."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def answer(context: contexts.RequestContext, data: bytes, status: int = 200) -> messages.Response:
    """Finished JSON in the form the client wants (JSON, pretty JSON, YAML)."""
    form = negotiate.output(context)
    if form.media == negotiate.YAML:
        text = yaml.encode(_decode(data))
        return messages.Response(status, None, text.encode(), compressible=True, raw_headers=YAML_HEADERS)
    if negotiate.pretty(context):
        data = json.dumps(_decode(data), indent=2, ensure_ascii=False).encode()
        return messages.Response(status, None, data, compressible=True, raw_headers=JSON_HEADERS)
    return messages.Response(status, None, [data, b"\n"], compressible=True, raw_headers=JSON_HEADERS)


def value(context: contexts.RequestContext, obj: Any, status: int = 200) -> messages.Response:
    """A plain value as the answer."""
    return answer(context, _encode(obj), status)


async def one(
    context: contexts.RequestContext, store: stores.Store, item: cached.Cached, status: int = 200
) -> messages.Response:
    """One object as the answer."""
    form = negotiate.output(context)
    kind = context.kind
    if store.as_stored(kind) and form.transform == "":
        return answer(context, item.data, status)
    (obj,) = await store.shown([item.object()], kind)
    if form.transform == negotiate.TABLE:
        obj = table.of(context, [obj], obj.get("metadata", {}))
    elif form.transform:
        obj = table.partial(obj, form.version)
    return answer(context, _encode(obj), status)


async def many(context: contexts.RequestContext, store: stores.Store, page: listing.Page) -> messages.Response:
    """A list as the answer."""
    form = negotiate.output(context)
    kind = context.kind
    facts: Object = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        facts["continue"] = page.continue_token
        if page.remaining is not None:
            facts["remainingItemCount"] = page.remaining
    same = store.as_stored(kind)
    if form.transform == negotiate.TABLE:
        if same and table.include(context) != "Object":
            return answer(context, table.of_stored(context, page.items, facts))
        return answer(context, _encode(table.of(context, await _objects(store, kind, page.items), facts)))
    if form.transform:
        items = [table.partial(obj, form.version) for obj in await _objects(store, kind, page.items)]
        meta_list = {"kind": negotiate.PARTIAL_LIST, "apiVersion": f"meta.k8s.io/{form.version}", "metadata": facts}
        return answer(context, _encode({**meta_list, "items": items}))
    head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": facts}
    if same:
        blocks = _join(kind, page.items)
    else:
        blocks = [b",".join([_encode(_item(kind, obj)) for obj in await _objects(store, kind, page.items)])]
    return _listed(context, _encode(head)[:-1] + b',"items":[', blocks)


def _listed(context: contexts.RequestContext, head: bytes, blocks: list[bytes]) -> messages.Response:
    if negotiate.output(context).media == negotiate.JSON and not negotiate.pretty(context):
        return messages.Response(200, None, [head, *blocks, b"]}\n"], compressible=True, raw_headers=JSON_HEADERS)
    return answer(context, b"".join([head, *blocks, b"]}"]))


def _join(kind: kinds.Kind, items: Sequence[cached.Cached]) -> list[bytes]:
    """The items' JSON in blocks; those of built-in kinds do not say in a list what they are.

    Blocks, because one string of megabytes costs more than its copying: its memory is fetched from the system.
    """
    prefix = b'{"kind":"%b","apiVersion":"%b",' % (kind.kind.encode(), kind.api_version.encode())
    if kind.custom:
        start, separator, first = 0, b",", b""
    elif all(item.data.startswith(prefix) for item in items):
        start, separator, first = len(prefix), b",{", b"{"
    else:
        return [b",".join([_encode(_item(kind, item.object())) for item in items])]
    blocks = [
        separator + separator.join([item.data[start:] for item in items[at : at + BLOCK]])
        for at in range(0, len(items), BLOCK)
    ]
    if blocks:
        blocks[0] = first + blocks[0][len(separator) :]
    return blocks


def _item(kind: kinds.Kind, obj: Object) -> Object:
    if kind.custom:
        return obj
    return {name: member for name, member in obj.items() if name not in ("kind", "apiVersion")}


async def _objects(store: stores.Store, kind: kinds.Kind, items: Sequence[cached.Cached]) -> Sequence[Object]:
    return await store.shown([item.object() for item in items], kind)
