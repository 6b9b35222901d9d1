"""A request that takes too long is answered 504, except those that are meant to last.

Hot path: no timer is set for requests that end without waiting, only for slow verbs.
Upstream: k8s.io/apiserver/pkg/server/filters/timeout.go, endpoints/filters/request_deadline.go.
"""

from pybernetes.aio import deadline as deadlines
from pybernetes.apimachinery import errors, timestamps
from pybernetes.apiserver import context as contexts

DEFAULT_SECONDS = 60.0
LONG_RUNNING_VERBS = frozenset({"watch", "proxy", "connect"})
LONG_RUNNING_SUBRESOURCES = frozenset({"attach", "exec", "proxy", "log", "portforward"})
QUICK_VERBS = frozenset({"get"})


def long_running(context: contexts.RequestContext) -> bool:
    """Whether the request may last as long as its client likes."""
    info = context.info
    return info.verb in LONG_RUNNING_VERBS or info.subresource in LONG_RUNNING_SUBRESOURCES


async def deadline(context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
    """Give the request its time, no more."""
    given = context.parameter("timeout")
    if long_running(context) or (not given and context.info.verb in QUICK_VERBS):
        return await proceed(context)
    seconds = DEFAULT_SECONDS
    if given:
        seconds = min(DEFAULT_SECONDS, _seconds(given)) or DEFAULT_SECONDS
    try:
        async with deadlines.Deadline(context.clock, seconds):
            return await proceed(context)
    except TimeoutError as error:
        text = "request did not complete within the allotted timeout"
        raise errors.Timeout(text) from error


def _seconds(text: str) -> float:
    try:
        seconds = timestamps.duration_seconds(text)
    except timestamps.TimeError as error:
        raise errors.BadRequest(f'invalid timeout specified in the request URL: time: invalid duration "{text}"') from (
            error
        )
    if seconds < 0:
        raise errors.BadRequest("invalid timeout specified in the request URL: must not be negative")
    return seconds
