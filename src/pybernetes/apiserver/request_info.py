"""What a URL and a method ask for: verb, group, version, resource, namespace, name, subresource.

    /api/v1/namespaces/NS/pods/NAME/log      /apis/apps/v1/deployments      /api/v1/watch/pods      /healthz

Hot path: 2 us for a request on one object.
Path: 3 path becomes verb + resource. Pure.
Upstream: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
"""

import dataclasses

from pybernetes.apimachinery import fields, names

API_PREFIXES = frozenset({"api", "apis"})
SPECIAL_VERBS = frozenset({"proxy", "watch"})
NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
FALSE = frozenset({"false", "0"})


@dataclasses.dataclass(slots=True)
class RequestInfo:
    """For a non-resource request only `verb` (the method in lower case) and `path` are set.

    `parts` is the path from the resource on. A list or watch for one object by `metadata.name` has its name.
    """

    verb: str
    path: str
    is_resource: bool = False
    api_prefix: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()


def parse(method: str, path: str, query: dict[str, list[str]] | None = None) -> RequestInfo:
    """Read a request's method, path and query."""
    info = RequestInfo(method.lower(), path)
    parts = path.strip("/").split("/")
    if path.startswith("//"):
        return info
    if len(parts) < 3 or parts[0] not in API_PREFIXES:
        return info
    if parts[0] == "apis":
        if len(parts) < 4:
            return info
        info.api_prefix, info.group, info.version = parts[:3]
        parts = parts[3:]
    else:
        info.api_prefix, info.version = parts[:2]
        parts = parts[2:]
    info.is_resource = True
    special = parts[0] in SPECIAL_VERBS
    if special:
        if len(parts) < 2:
            return RequestInfo(info.verb, path)
        info.verb = parts[0]
        parts = parts[1:]
    else:
        info.verb = VERBS.get(method, "")
    _read_resource(info, parts, special)
    if not info.name:
        if info.verb == "get":
            _list_or_watch(info, query or {})
        elif info.verb == "delete":
            info.verb = "deletecollection"
    return info


def _read_resource(info: RequestInfo, parts: list[str], special: bool) -> None:
    """`namespaces/NS/RESOURCE/NAME/SUBRESOURCE`, where a Namespace itself lies in its own namespace."""
    if parts[0] == "namespaces" and len(parts) > 1:
        info.namespace = parts[1]
        if len(parts) > 2 and parts[2] not in NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    info.parts = tuple(parts)
    info.resource = parts[0]
    if len(parts) > 1:
        info.name = parts[1]
        if len(parts) > 2 and not special:
            info.subresource = parts[2]


def _list_or_watch(info: RequestInfo, query: dict[str, list[str]]) -> None:
    watch = query.get("watch")
    info.verb = "watch" if watch and boolean(watch[0]) else "list"
    selector = query.get("fieldSelector")
    if selector and selector[0]:
        try:
            name = fields.parse(selector[0]).requires_exact("metadata.name")
        except fields.SelectorError:
            return
        if name and not names.is_path_segment_name(name):
            info.name = name


def boolean(text: str) -> bool:
    """A boolean parameter: given, even without a value, means yes; only `false` and `0` mean no."""
    return text.lower() not in FALSE
