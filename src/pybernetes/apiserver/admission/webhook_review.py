"""What a webhook is asked and what it may answer: AdmissionReview.

Upstream: k8s.io/apiserver/pkg/admission/plugin/webhook/{request,errors}. Pure.
"""

import base64
import json
from typing import Any

import msgspec

from pybernetes.api import kinds
from pybernetes.apimachinery import errors, goformat, gvk
from pybernetes.apiserver.admission import webhook_match
from pybernetes.apiserver.admission.attributes import Attributes

Object = dict[str, Any]

GROUP, KIND = "admission.k8s.io", "AdmissionReview"
VERSIONS = ("v1", "v1beta1")


class Response(msgspec.Struct, frozen=True):
    """An AdmissionResponse."""

    uid: str = ""
    allowed: bool = False
    result: Object | None = msgspec.field(default=None, name="status")
    patch: str | None = None
    patchType: str | None = None
    auditAnnotations: dict[str, str] | None = None
    warnings: list[str] | None = None


class _Review(msgspec.Struct, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    response: Response | None = None


def version(hook: webhook_match.Hook) -> str:
    """In which version the webhook is asked. Raises ValueError."""
    for one in hook.spec["admissionReviewVersions"]:
        if one in VERSIONS:
            return str(one)
    raise ValueError("webhook does not accept known AdmissionReview versions (v1, v1beta1)")


def request(uid: str, asked: Attributes, row: kinds.Kind, obj: Object | None, old: Object | None) -> Object:
    """An AdmissionRequest; the objects are in the version of `row`."""
    user = asked.user
    who = {
        "username": user.name,
        "uid": user.uid,
        "groups": user.groups,
        "extra": {name: list(values) for name, values in user.extra.items()},
    }
    options = None
    if asked.operation != "CONNECT":
        # A patch comes as the update or creation that it is.
        given = {name: value for name, value in asked.options.items() if name != "force"}
        options = {**given, "kind": f"{asked.operation.title()}Options", "apiVersion": "meta.k8s.io/v1"}
    made = {
        "uid": uid,
        "kind": _kind(row, asked.subresource),
        "resource": {"group": row.group, "version": row.version, "resource": row.plural},
        "subResource": asked.subresource,
        "requestKind": _kind(asked.kind, asked.subresource),
        "requestResource": {
            "group": asked.kind.group,
            "version": asked.kind.version,
            "resource": asked.kind.plural,
        },
        "requestSubResource": asked.subresource,
        "name": webhook_match.name_of(asked),
        "namespace": webhook_match.namespace_of(asked),
        "operation": asked.operation,
        "userInfo": {name: value for name, value in who.items() if value},
    }
    filled = {name: value for name, value in made.items() if value != ""}
    return {**filled, "object": obj, "oldObject": old, "dryRun": asked.dry_run, "options": options}


def _kind(row: kinds.Kind, subresource: str) -> Object:
    of = (row.subresource(subresource) if subresource else None) or row
    return {"group": of.group, "version": of.version, "kind": of.kind}


def response(answer: Object, asked_version: str, uid: str, *, mutating: bool) -> Response:
    """The response in a review that came back, held to its type. Raises ValueError."""
    review = msgspec.convert(answer, _Review)
    found = review.response
    if found is None:
        raise ValueError("webhook response was absent")
    if asked_version != "v1":
        return found
    if found.uid != uid:
        raise ValueError(f"expected response.uid={goformat.quote(uid)}, got {goformat.quote(found.uid)}")
    given = gvk.of({"apiVersion": review.apiVersion, "kind": review.kind})
    if given != (wanted := gvk.GroupVersionKind(GROUP, "v1", KIND)):
        raise ValueError(f"expected webhook response of {wanted}, got {given}")
    if not mutating:
        for name, value in (("patch", found.patch), ("patchType", found.patchType)):
            if value is not None and value != "":
                raise ValueError(f"validating webhook may not return response.{name}")
    elif found.patch and found.patchType is None:
        raise ValueError("webhook returned response.patch but not response.patchType")
    elif found.patchType is not None and not found.patch:
        raise ValueError("webhook returned response.patchType but not response.patch")
    elif found.patchType == "":
        raise ValueError('webhook returned invalid response.patchType of ""')
    return found


def patch(found: Response) -> Any:
    """The operations of a JSON patch, [] if there is none. Raises ValueError."""
    if not found.patch:
        return []
    try:
        operations = json.loads(base64.b64decode(found.patch))
    except json.JSONDecodeError as failure:
        raise ValueError("unexpected end of JSON input") from failure
    return [] if operations is None else operations


class Denied(errors.StatusError):
    """The refusal of a webhook: its own words, but never without a code of failure."""

    def __init__(self, name: str, result: Object | None) -> None:
        result = result or {}
        about = f"admission webhook {goformat.quote(name)} denied the request"
        said = result.get("message") or result.get("reason")
        message = f"{about}: {said}" if said else f"{about} without explanation"
        code, reason = result.get("code") or 0, result.get("reason") or ""
        super().__init__(message, details=result.get("details"), code=max(code, 400), reason=reason)
