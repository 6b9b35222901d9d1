"""The outermost filter: an audit ID for every request, its warnings in the answer's headers, and the metrics.

Upstream: k8s.io/apiserver/pkg/endpoints/filters/{audit_init,warning,metrics}.go, endpoints/metrics.
"""

import random
import uuid

from pybernetes.apiserver import context as contexts
from pybernetes.http import messages
from pybernetes.telemetry import metrics

_LABELS = ("verb", "group", "version", "resource", "subresource", "code")
_TOTAL = metrics.DEFAULT.counter(
    "apiserver_request_total",
    "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
    "component, and HTTP response code.",
    _LABELS,
)
_SECONDS = metrics.DEFAULT.histogram(
    "apiserver_request_duration_seconds",
    "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, "
    "scope and component.",
    ("verb", "group", "version", "resource", "subresource"),
    (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60),
)
_INFLIGHT = metrics.DEFAULT.gauge(
    "apiserver_current_inflight_requests",
    "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
    ("request_kind",),
)
_READING = _INFLIGHT.labels("readOnly")
_WRITING = _INFLIGHT.labels("mutating")
_READS = frozenset({"get", "list", "watch"})
_random = random.Random()

_counters: dict[tuple[str, ...], metrics.Value] = {}
_durations: dict[tuple[str, ...], metrics.Distribution] = {}


async def request_id(context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
    """Number the request, count it, and say in its answer what there is to say."""
    info = context.info
    inflight = _READING if info.verb in _READS else _WRITING
    inflight.value += 1
    try:
        response = await proceed(context)
    finally:
        inflight.value -= 1
    headers = response.headers
    headers.append(("Audit-Id", audit_id(context)))
    if context.warnings:
        headers += contexts.warning_headers(context.warnings)
    _count(context, response)
    return response


def audit_id(context: contexts.RequestContext) -> str:
    """The request's audit ID: the client's, or a random UUID."""
    found: str | None = context.state.get("audit id")
    if found is None:
        given = context.request.headers.get("audit-id")
        found = given or str(uuid.UUID(int=_random.getrandbits(128), version=4))
        context.state["audit id"] = found
    return found


def _count(context: contexts.RequestContext, response: contexts.AnyResponse) -> None:
    info = context.info
    code = "101" if isinstance(response, messages.UpgradeResponse) else str(response.status)
    verb = info.verb.upper()
    key = (verb, info.group, info.version, info.resource, info.subresource, code)
    counter = _counters.get(key)
    if counter is None:
        # Clients choose the path: only what the server knows may become a time series.
        if not context.kind.kind:
            key = (verb, "", "", "", "", code)
        counter = _counters[key] = _TOTAL.labels(*key)
    counter.value += 1
    if isinstance(response, messages.Response):
        shape = key[:5]
        duration = _durations.get(shape)
        if duration is None:
            duration = _durations[shape] = _SECONDS.labels(*shape)
        duration.observe(context.clock.monotonic() - context.started)
