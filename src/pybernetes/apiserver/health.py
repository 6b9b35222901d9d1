"""/livez, /readyz, /healthz: named checks, whole or one by one.

Upstream: k8s.io/apiserver/pkg/server/healthz.
"""

from pybernetes.apiserver import context as contexts
from pybernetes.http import messages


async def serve(context: contexts.RequestContext) -> contexts.AnyResponse:
    """Run the checks of the path's endpoint, or the one that it names."""
    endpoint, _, only = context.request.path.strip("/").partition("/")
    checks = context.server.health.endpoints()[endpoint]
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
    if only and only not in checks.names():
        return messages.Response(404, headers, b"404 page not found\n")
    query = context.request.query
    report = checks.run(verbose="verbose" in query, exclude=query.get("exclude", ()), only=only)
    if only and report.ok and "verbose" not in query:
        return messages.Response(200, headers, b"ok")
    return messages.Response(200 if report.ok else 500, headers, report.text.encode())
