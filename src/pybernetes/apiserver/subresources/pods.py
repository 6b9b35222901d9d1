"""`log`, `exec`, `attach`, `portforward`: a Pod's subresources that its kubelet serves.

Upstream: pkg/registry/core/pod/{rest,strategy.go}.
"""

import urllib.parse
from typing import Any

from pybernetes.apimachinery import errors, fieldpath, gvk, timestamps
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.registry import store as stores
from pybernetes.apiserver.subresources import relay
from pybernetes.apiserver.verbs import options
from pybernetes.http import errors as http_errors
from pybernetes.http import messages, websocket

Object = dict[str, Any]
Query = list[tuple[str, str]]

KINDS = ("initContainers", "containers", "ephemeralContainers")


async def log(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """GET pods/NAME/log."""
    info = context.info
    query = _log_query(context)
    pod = (await store.get(info.namespace, info.name)).object()
    container = _container(pod, context.parameter("container"))
    node = pod["spec"].get("nodeName")
    if not node:
        return messages.Response(204, [("Cache-Control", "no-cache, private")])
    url = await context.server.kubelets.url(node)
    url += f"/containerLogs/{info.namespace}/{info.name}/{container}"
    if query:
        url += f"?{urllib.parse.urlencode(query)}"
    try:
        source = await context.server.kubelets.client.stream("GET", url, None, b"", None)
    except (http_errors.HttpError, OSError) as error:
        raise errors.StatusError(f'Get "{url}": {error}', reason="") from error
    if source.status != 200:
        text = (await source.read_all()).decode("utf-8", "replace").strip()
        raise _refused(source.status, text, info.name)
    headers = [("Cache-Control", "no-cache, private"), ("Content-Type", "text/plain")]
    answer = messages.StreamResponse(200, headers, lambda writer: relay.copy(source, writer))
    if websocket.is_upgrade(context.request):
        return websocket.as_messages(context.request, answer, clock=context.clock)
    return answer


def _refused(status: int, text: str, name: str) -> errors.StatusError:
    if status == 500:
        return errors.InternalError(text)
    if status == 400:
        return errors.BadRequest(text)
    resource = gvk.GroupResource("", "pods/log")
    return errors.from_response(status, text, verb="GET", group_resource=resource, name=name)


def _log_query(context: contexts.RequestContext) -> Query:
    """The options of a log request as the kubelet wants them. Raises BadRequest, Invalid."""
    found: Query = []
    wrong: fieldpath.ErrorList = []
    for name in ("follow", "previous", "timestamps"):
        if options.boolean(context, name):
            found.append((name, "true"))
    for name, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        if text := context.parameter(name):
            number = options.integer(text)
            if number < least:
                problem = f"must be greater than {'or equal to 0' if least == 0 else '0'}"
                wrong.append(fieldpath.invalid(fieldpath.Path(name), number, problem))
            found.append((name, str(number)))
    if since := context.parameter("sinceTime"):
        try:
            timestamps.parse(since)
        except timestamps.TimeError as error:
            raise errors.BadRequest(str(error)) from error
        if context.parameter("sinceSeconds"):
            text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            wrong.append(fieldpath.FieldError(fieldpath.FORBIDDEN, "[]", "", text))
        found.append(("sinceTime", since))
    stream = context.parameter("stream")
    if stream and stream not in ("All", "Stdout", "Stderr"):
        wrong.append(fieldpath.not_supported(fieldpath.Path("stream"), stream, ("All", "Stderr", "Stdout")))
    elif stream:
        found.append(("stream", stream))
    if wrong:
        raise errors.Invalid(gvk.GroupKind("", "PodLogOptions"), context.info.name, wrong)
    return found


def _container(pod: Object, wanted: str) -> str:
    """The container meant. Raises BadRequest where that is not clear."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    if wanted:
        if not any(wanted == one["name"] for kind in KINDS for one in spec.get(kind) or ()):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    names = [one["name"] for one in spec.get("containers") or ()]
    if len(names) == 1:
        return str(names[0])
    text = f"a container name must be specified for pod {name}"
    if names:
        text += f", choose one of: [{' '.join(names)}]"
        if initial := [one["name"] for one in spec.get("initContainers") or ()]:
            text += f" or one of the init containers: [{' '.join(initial)}]"
    raise errors.BadRequest(text)


async def execute(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """GET or POST pods/NAME/exec."""
    return await _session(context, store, "exec")


async def attach(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """GET or POST pods/NAME/attach."""
    return await _session(context, store, "attach")


async def _session(context: contexts.RequestContext, store: stores.Store, what: str) -> contexts.AnyResponse:
    info = context.info
    await relay.admit(context, store)
    pod = (await store.get(info.namespace, info.name)).object()
    container = _container(pod, context.parameter("container"))
    node = _host(pod)
    query: Query = []
    given = context.request.query
    for name, theirs in relay.STREAMS.items():
        if options.boolean(context, name):
            query.append((theirs, "1"))
    if what == "exec":
        query += (("command", word) for word in given.get("command", ()))
    url = await context.server.kubelets.url(node)
    url += f"/{what}/{info.namespace}/{info.name}/{container}?{urllib.parse.urlencode(query)}"
    return await _switch(context, url)


async def port_forward(context: contexts.RequestContext, store: stores.Store) -> contexts.AnyResponse:
    """GET or POST pods/NAME/portforward."""
    info = context.info
    await relay.admit(context, store)
    pod = (await store.get(info.namespace, info.name)).object()
    node = _host(pod)
    given = context.request.query.get("ports", ())
    query = [("port", text) for one in given for text in one.split(",") if text]
    url = await context.server.kubelets.url(node)
    url += f"/portForward/{info.namespace}/{info.name}"
    return await _switch(context, f"{url}?{urllib.parse.urlencode(query)}" if query else url)


def _host(pod: Object) -> str:
    node = pod["spec"].get("nodeName")
    if not node:
        raise errors.BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return str(node)


async def _switch(context: contexts.RequestContext, url: str) -> contexts.AnyResponse:
    if not relay.upgrade_protocol(context.request):
        raise errors.BadRequest("Upgrade request required")
    return await relay.relay(context, context.server.kubelets.client, url)
