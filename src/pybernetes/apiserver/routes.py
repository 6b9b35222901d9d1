"""Everything that is not a resource: discovery, health, version, OpenAPI, metrics.

Upstream: k8s.io/apiserver/pkg/server/{handler,healthz,routes}, pkg/endpoints/discovery.
"""

from collections.abc import Awaitable, Callable

import msgspec

from pybernetes.api.openapi import documents
from pybernetes.api.openapi import protobuf as openapi_protobuf
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver import discovery, health
from pybernetes.apiserver.verbs import negotiate, present
from pybernetes.http import messages
from pybernetes.telemetry import metrics

Route = Callable[[contexts.RequestContext], Awaitable[contexts.AnyResponse]]

TEXT = "text/plain; charset=utf-8"
NOT_ALLOWED = "the server does not allow this method on the requested resource"

VERSION = {
    "major": "1",
    "minor": "37",
    "emulationMajor": "1",
    "emulationMinor": "37",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "36",
    "gitVersion": "v1.37.2",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "cpython",
    "platform": "linux/amd64",
}


def page_not_found() -> messages.Response:
    """No such path."""
    headers = [("Content-Type", TEXT), ("X-Content-Type-Options", "nosniff")]
    return messages.Response(404, headers, b"404 page not found\n")


async def version(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /version."""
    headers = [("Content-Type", negotiate.JSON)]
    return messages.Response(200, headers, msgspec.json.format(msgspec.json.encode(VERSION)))


async def render_metrics(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /metrics: the process's metrics in Prometheus' text format."""
    headers = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")]
    return messages.Response(200, headers, metrics.DEFAULT.render(), compressible=True)


async def root(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /: every path there is."""
    groups = context.server.served.groups()
    paths = ["/api", "/apis", "/apis/", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version"]
    for group, versions in groups.items():
        if group:
            paths.append(f"/apis/{group}")
        paths += (f"/apis/{group}/{one}" if group else f"/api/{one}" for one in versions)
    for endpoint, checks in context.server.health.endpoints().items():
        paths += (f"/{endpoint}", *(f"/{endpoint}/{name}" for name in checks.names()))
    return present.value(context, {"paths": sorted(paths)})


async def openapi_index(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /openapi/v3: where the documents are."""
    return _document(context, context.server.openapi.index())


async def openapi_v2(context: contexts.RequestContext) -> contexts.AnyResponse:
    """GET /openapi/v2: the one old document."""
    accept = context.request.headers.get("accept") or "*/*"
    if openapi_protobuf.ACCEPTED in accept or openapi_protobuf.MEDIA_TYPE in accept:
        return _document(context, context.server.openapi.v2_protobuf(), openapi_protobuf.MEDIA_TYPE)
    if "json" not in accept and "*/*" not in accept:
        raise errors.NotAcceptable([negotiate.JSON, openapi_protobuf.MEDIA_TYPE])
    return _document(context, context.server.openapi.v2())


def _document(
    context: contexts.RequestContext, document: documents.Document | None, media_type: str = negotiate.JSON
) -> contexts.AnyResponse:
    if document is None:
        return page_not_found()
    etag = f'"{document.hash}"'
    headers = [("Etag", etag), ("Vary", "Accept-Encoding, Accept")]
    if context.request.headers.get("if-none-match") == etag:
        return messages.Response(304, headers)
    wanted = context.parameter("hash")
    if wanted and wanted != document.hash:
        return messages.Response(301, [("Location", f"{context.request.path}?hash={document.hash}")])
    if wanted:
        headers += [("Cache-Control", "public, immutable"), ("Expires", "Fri, 01 Jan 2100 00:00:00 GMT")]
    headers.append(("Content-Type", media_type))
    return messages.Response(200, headers, document.data, compressible=True)


EXACT: dict[str, Route] = {
    "/": root,
    "/api": discovery.legacy_versions,
    "/apis": discovery.groups,
    "/version": version,
    "/metrics": render_metrics,
    "/openapi/v2": openapi_v2,
    "/openapi/v3": openapi_index,
    "/healthz": health.serve,
    "/livez": health.serve,
    "/readyz": health.serve,
}


async def serve(context: contexts.RequestContext) -> contexts.AnyResponse:
    """Answer a request for a path that is no resource."""
    path = context.request.path
    trimmed = path.rstrip("/") or "/"
    extra = context.server.routes.get(trimmed)
    route = extra or EXACT.get(trimmed) or _by_prefix(trimmed)
    if route is None:
        return page_not_found()
    if context.request.method not in ("GET", "HEAD") and extra is None and route is not health.serve:
        error = errors.StatusError(NOT_ALLOWED, code=405, reason="MethodNotAllowed", details={})
        raise error
    return await route(context)


def _by_prefix(path: str) -> Route | None:
    first = path[1:].partition("/")[0]
    if first in ("healthz", "livez", "readyz"):
        return health.serve
    if first in ("api", "apis"):
        return discovery.group_or_version
    if path.startswith("/openapi/v3/"):
        return _openapi_document
    return None


async def _openapi_document(context: contexts.RequestContext) -> contexts.AnyResponse:
    return _document(context, context.server.openapi.document(context.request.path.removeprefix("/openapi/v3/")))
