"""Not more at once than the server can do: so many reads and so many writes in work, others are told to come again.

Long-running requests and members of `system:masters` are not counted.
Path: 5 is it your turn.
Upstream: k8s.io/apiserver/pkg/server/filters/maxinflight.go.
"""

from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.filters import deadline
from pybernetes.telemetry import metrics

MAX_READS, MAX_WRITES = 400, 200
READS = frozenset({"get", "list"})

_DROPPED = metrics.DEFAULT.counter(
    "apiserver_dropped_requests_total", "Number of requests dropped with 'Try again later' response", ("request_kind",)
)


class Fairness:
    """The filter."""

    def __init__(self, reads: int = MAX_READS, writes: int = MAX_WRITES) -> None:
        self._room = {"readOnly": reads, "mutating": writes}

    async def __call__(self, context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
        """Go on if there is room. Raises TooManyRequests."""
        if deadline.long_running(context) or users.SYSTEM_MASTERS in context.user.groups:
            return await proceed(context)
        kind = "readOnly" if context.info.verb in READS else "mutating"
        room = self._room
        if room[kind] <= 0:
            _DROPPED.labels(kind).inc()
            raise errors.TooManyRequests()
        room[kind] -= 1
        try:
            return await proceed(context)
        finally:
            room[kind] += 1
