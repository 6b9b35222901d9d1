"""The one edge where failures become answers: a Status for what was raised on purpose, 500 for everything else.

Upstream: k8s.io/apiserver/pkg/server/filters/wrap.go, endpoints/handlers/responsewriters/errors.go.
"""

import json
import logging
from typing import Any

import msgspec

from pybernetes.api.codec import yaml
from pybernetes.apimachinery import errors
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.verbs import negotiate
from pybernetes.http import messages
from pybernetes.storage import backend as backends

logger = logging.getLogger(__name__)


async def recovery(context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
    """Answer with a Status whatever goes wrong below."""
    try:
        return await proceed(context)
    except errors.StatusError as error:
        return failure(context, error)
    except backends.StorageError as error:
        logger.warning("%s %s: %s", context.request.method, context.request.target, error)
        return failure(context, errors.InternalError(str(error)))
    except Exception as error:
        logger.exception("%s %s failed", context.request.method, context.request.target)
        return failure(context, errors.InternalError(f"{type(error).__name__} in the server, see its log"))


def failure(context: contexts.RequestContext, error: errors.StatusError) -> messages.Response:
    """The Status as a response."""
    return status_response(context, error.status(), error.code, error.retry_after)


def status_response(
    context: contexts.RequestContext, status: dict[str, Any], code: int, retry_after: int | None = None
) -> messages.Response:
    """Any Status as a response, in the form the client wants as far as possible."""
    headers = [("Cache-Control", "no-cache, private")]
    if retry_after:
        headers.append(("Retry-After", str(retry_after)))
    try:
        form = negotiate.output(context, transforms=True)
    except errors.StatusError:
        form = negotiate.DEFAULT
    if form.media == negotiate.YAML:
        headers.append(("Content-Type", "application/yaml"))
        return messages.Response(code, headers, yaml.encode(status).encode())
    headers.append(("Content-Type", "application/json"))
    try:
        body = msgspec.json.encode(status)
    except UnicodeEncodeError:
        # Something quoted is no text: Go puts the replacement character in its place.
        text = json.dumps(status, ensure_ascii=False).encode("utf-8", "surrogateescape")
        body = text.decode("utf-8", "replace").encode()
    return messages.Response(code, headers, body + b"\n")
