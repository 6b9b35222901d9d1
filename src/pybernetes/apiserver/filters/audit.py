"""The audit log: who asked what, when, and how it ended; one JSON object a line.

Every request is written once, when its answer is complete (a watch also when it starts), at level Metadata; deletions
at level Request, since their options tell what was meant. Lines are gathered and written a few times a second.
Upstream: k8s.io/apiserver/pkg/endpoints/filters/audit.go, pkg/audit, plugin/pkg/audit/log.
"""

import os
import pathlib
from typing import Any

import msgspec

from pybernetes.aio import clock as clocks
from pybernetes.apimachinery import errors, timestamps
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.filters import request_id
from pybernetes.http import messages
from pybernetes.telemetry import logs

logger = logs.get("audit")

FLUSH_SECONDS = 0.2
MAX_BODY = 64 * 1024


class AuditLog:
    """Appends events to a file; without a path it keeps nothing."""

    def __init__(self, path: pathlib.Path | None, clock: clocks.Clock) -> None:
        self.clock = clock
        self.enabled = path is not None
        self._pending: list[bytes] = []
        self._timer: clocks.Timer | None = None
        self._file = -1
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: dict[str, Any]) -> None:
        """Queue one event."""
        self._pending.append(msgspec.json.encode(event))
        if self._timer is None:
            self._timer = self.clock.call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is queued."""
        self._timer = None
        if self._pending and self._file >= 0:
            lines, self._pending = self._pending, []
            try:
                os.write(self._file, b"\n".join(lines) + b"\n")
            except OSError as error:  # a full disk: requests go on, as upstream's do
                logger.error("Unable to log %d audit events: %s", len(lines), error)

    def close(self) -> None:
        """Write what is queued and close the file."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Audit:
    """The filter. It stands before authentication, so that refused requests are on record too."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def __call__(self, context: contexts.RequestContext, proceed: contexts.Handler) -> contexts.AnyResponse:
        """Record the request with its outcome."""
        if not self._log.enabled:
            return await proceed(context)
        received = self._log.clock.now()
        code = 500
        stage = "ResponseComplete"
        try:
            response = await proceed(context)
            code = 101 if isinstance(response, messages.UpgradeResponse) else response.status
            if not isinstance(response, messages.Response):
                stage = "ResponseStarted"
            return response
        except errors.StatusError as error:
            code = error.code
            raise
        finally:
            event = _event(context, code, stage)
            event["requestReceivedTimestamp"] = timestamps.format_micro_time(received)
            event["stageTimestamp"] = timestamps.format_micro_time(self._log.clock.now())
            self._log.write(event)


def _shown(user: users.UserInfo) -> dict[str, Any]:
    facts = {"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra}
    return {name: fact for name, fact in facts.items() if fact}


def _event(context: contexts.RequestContext, code: int, stage: str) -> dict[str, Any]:
    request, info, user = context.request, context.info, context.impersonator or context.user
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": request_id.audit_id(context),
        "stage": stage,
        "requestURI": request.target,
        "verb": info.verb,
        "user": _shown(user),
        "sourceIPs": [request.connection.peer[0]],
        "userAgent": request.headers.get("user-agent") or "",
        "responseStatus": {"code": code},
    }
    if context.impersonator is not None:
        event["impersonatedUser"] = _shown(context.user)
    if context.audit:
        event["annotations"] = context.audit
    if info.is_resource:
        reference = {
            "resource": info.resource,
            "namespace": info.namespace,
            "name": info.name,
            "apiGroup": info.group,
            "apiVersion": info.version,
            "subresource": info.subresource,
        }
        event["objectRef"] = {key: value for key, value in reference.items() if value}
    if info.verb in ("delete", "deletecollection") and request.body[:1] == b"{" and len(request.body) < MAX_BODY:
        event["level"] = "Request"
        try:
            event["requestObject"] = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            event["requestObject"] = None
    return event
