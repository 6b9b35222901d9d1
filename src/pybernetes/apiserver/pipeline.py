"""The filters of a request, as one list in reading order, and their composition into one call.

A filter is `async def f(context, proceed) -> response`. None of them waits unless it has to: a GET that the cache can
answer runs from the first to the last line of this list without giving way to the event loop.
Path: 3-5. Upstream: k8s.io/apiserver/pkg/server/config.go (DefaultBuildHandlerChain, which reads bottom-up).
"""

from collections.abc import Sequence

from pybernetes.apiserver import context as contexts


def compose(filters: Sequence[contexts.Filter], last: contexts.Handler) -> contexts.Handler:
    """One call: the first filter is the outermost, `last` answers."""
    handler = last
    for one in reversed(filters):
        handler = _bind(one, handler)
    return handler


def _bind(one: contexts.Filter, proceed: contexts.Handler) -> contexts.Handler:
    # Not a coroutine of its own: one frame less for each filter and request.
    def handler(context: contexts.RequestContext) -> contexts.Answer:
        return one(context, proceed)

    return handler
