"""What is served: /api, /apis, each group and version; legacy documents and the aggregated one, from the table.

Aggregated API servers and custom resources add rows to the same table (or stale entries of their own).
Upstream: k8s.io/apiserver/pkg/endpoints/discovery, …/discovery/aggregated.
"""

import base64
import hashlib
import re
from typing import Any

import msgspec

from pybernetes.api import kinds
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.verbs import present
from pybernetes.http import messages

Object = dict[str, Any]

AGGREGATED = "APIGroupDiscoveryList"
GROUP = "apidiscovery.k8s.io"
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def by_priority(versions: list[str]) -> list[str]:
    """Versions as clients prefer them: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name."""

    def rank(version: str) -> tuple[int, int, int, str]:
        found = _VERSION.fullmatch(version)
        if found is None:
            return (3, 0, 0, version)
        major, level, minor = found.groups()
        return ({None: 0, "beta": 1, "alpha": 2}[level], -int(major), -int(minor or 0), "")

    return sorted(versions, key=rank)


async def legacy_versions(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /api: the versions of the group without a name."""
    form = _aggregated(context)
    served = context.server.served
    if form:
        return _aggregate(context, form, core=True)
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": context.server.address}]
    versions = by_priority(served.groups().get("", []))
    return present.value(
        context, {"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": addresses}
    )


async def groups(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /apis: every group with a name."""
    form = _aggregated(context)
    if form:
        return _aggregate(context, form, core=False)
    listed = [_group(name, by_priority(versions)) for name, versions in context.server.served.groups().items() if name]
    return present.value(context, {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})


async def group_or_version(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /api/v1, /apis/GROUP, /apis/GROUP/VERSION."""
    from_root, *parts = context.request.path.strip("/").split("/")
    served = context.server.served
    if from_root == "api":
        parts = ["", *parts]
    if len(parts) > 2 or (from_root == "apis" and not parts[0]):
        return _page_not_found()
    group = parts[0]
    versions = served.groups().get(group)
    if versions is None:
        return _page_not_found()
    if len(parts) == 1:
        found = _group(group, by_priority(versions))
        return present.value(context, {"kind": "APIGroup", "apiVersion": "v1", **found})
    if parts[1] not in versions:
        custom = any(row.custom for row in served.resources(group, versions[0]))
        return _page_not_found() if custom else await _no_version(context)
    rows = served.resources(group, parts[1])
    document = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    document |= {"groupVersion": rows[0].api_version}
    listed = [line for row in sorted(rows, key=lambda row: row.plural) for line in _resources(served, row)]
    return present.value(context, {**document, "resources": listed})


def _page_not_found() -> messages.Response:
    return messages.Response(404, [("Content-Type", "text/plain; charset=utf-8")], b"404 page not found\n")


async def _no_version(context: contexts.RequestContext) -> contexts.AnyResponse:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    text = "the server could not find the requested resource"
    return present.value(context, {**status, "message": text, "reason": "NotFound", "details": {}, "code": 404}, 404)


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def storage_hash(row: kinds.Kind) -> str:
    """A short name of the version in which a kind is stored; it changes when that does."""
    text = f"{row.storage_group}/{row.storage_version}/{row.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def _verbs(row: kinds.Kind) -> list[str]:
    """What may be done; a custom resource whose definition is being deleted takes nothing new."""
    going = row.custom is not None and row.custom.terminating
    return [verb for verb in row.verbs if not (going and verb in ("create", "patch", "update"))]


def _resources(served: kinds.KindTable, row: kinds.Kind) -> list[Object]:
    """The row's line in an APIResourceList, and one for each of its subresources."""
    line: Object = {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": _verbs(row),
    }
    if row.short_names:
        line["shortNames"] = list(row.short_names)
    if row.categories:
        line["categories"] = list(row.categories)
    if "update" in row.verbs:
        line["storageVersionHash"] = storage_hash(row)
    lines = [line]
    for sub in row.subresources:
        below: Object = {"name": f"{row.plural}/{sub.name}", "singularName": "", "namespaced": row.namespaced}
        if (sub.group, sub.version) != (row.group, row.version):
            below |= {"group": sub.group, "version": sub.version} if sub.group else {"version": sub.version}
        lines.append(below | {"kind": sub.kind, "verbs": list(sub.verbs)})
    return lines


# --- aggregated


def _aggregated(context: contexts.RequestContext) -> str:
    """The version of the aggregated document that the client accepts, "" if it wants the legacy ones."""
    accept = context.request.headers.get("accept") or ""
    if AGGREGATED not in accept:
        return ""
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media not in ("application/json", "*/*", "application/*"):
            continue
        if parameters.get("as") != AGGREGATED:
            return ""
        if parameters.get("g") == GROUP and parameters.get("v") in ("v2", "v2beta1"):
            return str(parameters["v"])
    return ""


def _aggregate(context: contexts.RequestContext, version: str, *, core: bool) -> messages.Response:
    server = context.server
    cache: dict[tuple[int, str, bool], tuple[bytes, str]] = server.documents
    key = (server.served.generation, version, core)
    found = cache.get(key)
    if found is None:
        cache.clear()
        items = [
            _aggregated_group(server.served, name, by_priority(versions))
            for name, versions in server.served.groups().items()
            if (not name) == core
        ]
        head = {"kind": AGGREGATED, "apiVersion": f"{GROUP}/{version}", "metadata": {}}
        data = msgspec.json.encode({**head, "items": items})
        found = cache[key] = (data, hashlib.sha512(data).hexdigest().upper())
    data, digest = found
    headers = [
        ("Cache-Control", "public"),
        ("Etag", f'"{digest}"'),
        ("Vary", "Accept"),
        ("Content-Type", f"application/json;g={GROUP};v={version};as={AGGREGATED}"),
    ]
    if context.request.headers.get("if-none-match") == f'"{digest}"':
        return messages.Response(304, headers[:3])
    return messages.Response(200, headers, data, compressible=True)


def _aggregated_group(served: kinds.KindTable, name: str, versions: list[str]) -> Object:
    described = [
        {
            "version": version,
            "resources": [
                _aggregated_resource(row) for row in sorted(served.resources(name, version), key=lambda row: row.plural)
            ],
            "freshness": "Current",
        }
        for version in versions
    ]
    return {"metadata": {"name": name} if name else {}, "versions": described}


def _aggregated_resource(row: kinds.Kind) -> Object:
    nothing = {"group": "", "version": ""}
    found: Object = {
        "resource": row.plural,
        "responseKind": {"group": row.group, "version": row.version, "kind": row.kind}
        if row.custom
        else {**nothing, "kind": row.kind},
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": _verbs(row),
    }
    if row.short_names:
        found["shortNames"] = list(row.short_names)
    if row.categories:
        found["categories"] = list(row.categories)
    below = []
    for sub in row.subresources:
        own = not row.custom and (sub.group, sub.version) == (row.group, row.version)
        kind = {**nothing, "kind": sub.kind} if own else {"group": sub.group, "version": sub.version, "kind": sub.kind}
        below.append({"subresource": sub.name, "responseKind": kind, "verbs": list(sub.verbs)})
    if below:
        found["subresources"] = below
    return found
