"""The Status error tree: raised anywhere, turned into an HTTP answer at one edge, rebuilt from one by the client.

    StatusError
    ├── BadRequest 400            ├── Conflict 409              ├── UnsupportedMediaType 415
    ├── Unauthorized 401          │   └── ApplyConflict         ├── Invalid 422
    ├── Forbidden 403             ├── AlreadyExists 409         ├── TooManyRequests 429
    ├── NotFound 404              │   └── GenerateNameConflict  ├── InternalError 500
    ├── MethodNotAllowed 405      ├── Gone 410                  ├── ServerTimeout 500
    ├── NotAcceptable 406         │   └── Expired               ├── ServiceUnavailable 503
    └── Timeout 504               └── RequestEntityTooLarge 413

Upstream: pkg/api/errors (apimachinery). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pybernetes.apimachinery import fieldpath, goformat, gvk

STATUS_UNKNOWN = ""
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
CAUSE_UNEXPECTED_RESPONSE = "UnexpectedServerResponse"
CAUSE_FIELD_MANAGER_CONFLICT = "FieldManagerConflict"
CAUSE_NAMESPACE_TERMINATING = "NamespaceTerminating"
CAUSE_RESOURCE_VERSION_TOO_LARGE = "ResourceVersionTooLarge"


class StatusError(Exception):
    """A failure that has a Status; the code and reason of a subclass are its own unless given."""

    code: int = 500
    reason: str = STATUS_UNKNOWN

    def __init__(
        self,
        message: str = "",
        *,
        details: dict[str, Any] | None = None,
        code: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return from_status, (self.status(),)

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the client may try again, if the server said so."""
        seconds = (self.details or {}).get("retryAfterSeconds")
        return seconds if isinstance(seconds, int) and seconds > 0 else None

    @property
    def causes(self) -> list[dict[str, Any]]:
        return (self.details or {}).get("causes") or []

    def has_cause(self, cause: str) -> bool:
        return any(entry.get("reason") == cause for entry in self.causes)

    def add_cause(self, cause: str, message: str, field: str = "") -> None:
        """Say more in details.causes; empty members are left out as upstream leaves them out."""
        entry = {"reason": cause, "message": message, "field": field}
        self.details = self.details or {}
        self.details.setdefault("causes", []).append({key: text for key, text in entry.items() if text})

    def status(self) -> dict[str, Any]:
        """The Status object, members in upstream's order, empty ones left out."""
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        if self.message:
            status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


class _Named(StatusError):
    """An error about one resource, which its details name."""

    def _about(self, group_resource: gvk.GroupResource | str, name: str, **more: Any) -> str:
        resource = _resource(group_resource)
        self.details = _details(name, resource.group, resource.resource, **more)
        return str(resource)


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or "not authorized")


class Forbidden(_Named):
    """Authenticated, but not allowed; `message` says by what."""

    code, reason = 403, "Forbidden"

    def __init__(self, group_resource: gvk.GroupResource | str, name: str, message: object) -> None:
        super().__init__()
        about = self._about(group_resource, name)
        subject = f"{about} {goformat.quote(name)} is forbidden" if name else f"{about} is forbidden"
        self.message = f"{subject if about else 'forbidden'}: {message}"


class NotFound(_Named):
    code, reason = 404, "NotFound"

    def __init__(self, group_resource: gvk.GroupResource | str, name: str) -> None:
        super().__init__()
        self.message = f"{self._about(group_resource, name)} {goformat.quote(name)} not found"


class MethodNotAllowed(_Named):
    code, reason = 405, "MethodNotAllowed"

    def __init__(self, group_resource: gvk.GroupResource | str, action: str) -> None:
        super().__init__()
        about = self._about(group_resource, "")
        self.message = f"{action} is not supported on resources of kind {goformat.quote(about)}"


class NotAcceptable(StatusError):
    """None of the media types in Accept can be produced; `accepted` lists those that can."""

    code, reason = 406, "NotAcceptable"

    def __init__(self, accepted: Iterable[str]) -> None:
        super().__init__(f"only the following media types are accepted: {', '.join(accepted)}")


class Conflict(_Named):
    """The object is not what the writer thought it was."""

    code, reason = 409, "Conflict"

    def __init__(self, group_resource: gvk.GroupResource | str, name: str, message: object = MODIFIED) -> None:
        super().__init__()
        about = self._about(group_resource, name)
        self.message = f"Operation cannot be fulfilled on {about} {goformat.quote(name)}: {message}"


class ApplyConflict(Conflict):
    """Server-side apply would take fields from other managers, one cause for each field."""

    def __init__(self, causes: list[dict[str, Any]], message: str) -> None:
        StatusError.__init__(self, message, details={"causes": causes} if causes else {})


class AlreadyExists(_Named):
    code, reason = 409, "AlreadyExists"

    def __init__(self, group_resource: gvk.GroupResource | str, name: str) -> None:
        super().__init__()
        self.message = f"{self._about(group_resource, name)} {goformat.quote(name)} already exists"


class GenerateNameConflict(AlreadyExists):
    """The generated name was taken; trying again gives another one."""

    def __init__(self, group_resource: gvk.GroupResource | str, name: str, retry_after: int = 1) -> None:
        super().__init__(group_resource, name)
        self._about(group_resource, name, retry_after=retry_after)
        self.message += ", the server was not able to generate a unique name for the object"


class Gone(StatusError):
    code, reason = 410, "Gone"


class Expired(Gone):
    """The resourceVersion or continue token is too old: list again."""

    reason = "Expired"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"

    def __init__(self, message: str) -> None:
        super().__init__(f"Request entity too large: {message}")


class UnsupportedMediaType(StatusError):
    """The body's media type cannot be read; `accepted` lists those that can."""

    code, reason = 415, "UnsupportedMediaType"

    def __init__(self, accepted: Iterable[str]) -> None:
        listed = ", ".join(accepted)
        super().__init__(f"the body of the request was in an unknown format - accepted media types include: {listed}")


class Invalid(StatusError):
    """The object breaks the rules of its kind; every field error is a cause."""

    code, reason = 422, "Invalid"

    def __init__(self, group_kind: gvk.GroupKind | str, name: str, errors: Sequence[fieldpath.FieldError]) -> None:
        kind = gvk.parse_group_kind(group_kind) if isinstance(group_kind, str) else group_kind
        causes = [error.cause() for error in errors]
        subject = f"{kind} {goformat.quote(name)} is invalid"
        message = f"{subject}: {fieldpath.aggregate(errors)}" if errors else subject
        super().__init__(message, details=_details(name, kind.group, kind.kind, causes=causes))


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"

    def __init__(self, message: str = "Too many requests, please try again later.", retry_after: int = 1) -> None:
        super().__init__(message, details=_details(retry_after=retry_after))


class InternalError(StatusError):
    code, reason = 500, "InternalError"

    def __init__(self, message: object) -> None:
        super().__init__(f"Internal error occurred: {message}", details={"causes": [{"message": str(message)}]})


class ServerTimeout(_Named):
    """The server gave up before it was done; the client may try again."""

    code, reason = 500, "ServerTimeout"

    def __init__(self, group_resource: gvk.GroupResource | str, operation: str, retry_after: int = 0) -> None:
        super().__init__()
        about = self._about(group_resource, operation, retry_after=retry_after)
        self.message = (
            f"The {operation} operation against {about} could not be completed at this time, please try again."
        )


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    """The request ran out of time; it may still have had its effect."""

    code, reason = 504, "Timeout"

    def __init__(self, message: str, retry_after: int = 0) -> None:
        super().__init__(f"Timeout: {message}", details=_details(retry_after=retry_after))


_CLASSES: tuple[type[StatusError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    Conflict,
    AlreadyExists,
    Gone,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServerTimeout,
    ServiceUnavailable,
    Timeout,
)
_BY_REASON = {cls.reason: cls for cls in _CLASSES}
# A status with an unknown reason is known by its code; AlreadyExists, Expired and ServerTimeout only by reason.
_BY_CODE = {cls.code: cls for cls in _CLASSES if cls not in (AlreadyExists, Expired, ServerTimeout)}


def from_status(status: dict[str, Any]) -> StatusError:
    """The error a Status describes, of the class that its reason, or failing that its code, names."""
    reason = status.get("reason") or STATUS_UNKNOWN
    code = status.get("code") or 0
    cls = _BY_REASON.get(reason) or _BY_CODE.get(code) or StatusError
    error = cls.__new__(cls)
    StatusError.__init__(
        error, status.get("message") or "", details=status.get("details"), code=code or cls.code, reason=reason
    )
    return error


_GENERIC = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
_NOT_ACCEPTABLE = "the server was unable to respond with a content type that the client supports"


def from_response(
    code: int,
    body: str,
    *,
    verb: str = "",
    group_resource: gvk.GroupResource | str = "",
    name: str = "",
    retry_after: int = 0,
) -> StatusError:
    """The error for an answer that carries no Status; `verb` is the HTTP method."""
    cls = AlreadyExists if code == 409 and verb == "POST" else _BY_CODE.get(code, StatusError)
    if code in _GENERIC:
        message = _GENERIC[code]
    elif code == 406:
        message = _NOT_ACCEPTABLE if body in {"", "unknown"} else body
    elif code in {403, 415}:
        message = body
    elif code >= 500:
        cls = InternalError
        message = f"an error on the server ({goformat.quote(body)}) has prevented the request from succeeding"
    else:
        cls = StatusError
        message = f"the server responded with the status code {code} but did not return more information"
    resource = _resource(group_resource)
    if not resource.empty:
        message += f" ({verb.lower()} {resource} {name})" if name else f" ({verb.lower()} {resource})"
    cause = {"reason": CAUSE_UNEXPECTED_RESPONSE, "message": body}
    details = _details(
        name, resource.group, resource.resource, causes=[{k: v for k, v in cause.items() if v}], retry_after=retry_after
    )
    return from_status({"message": message, "reason": cls.reason, "details": details, "code": code})


def _resource(group_resource: gvk.GroupResource | str) -> gvk.GroupResource:
    return gvk.parse_group_resource(group_resource) if isinstance(group_resource, str) else group_resource


def _details(
    name: str = "",
    group: str = "",
    kind: str = "",
    *,
    causes: list[dict[str, Any]] | None = None,
    retry_after: int = 0,
) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": kind, "causes": causes, "retryAfterSeconds": retry_after}
    return {key: value for key, value in details.items() if value}
