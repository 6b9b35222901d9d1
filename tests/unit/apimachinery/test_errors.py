"""Messages, codes and details are what clients compare; a Status read back is the error it was."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from pybernetes.apimachinery import errors, fieldpath, gvk

PODS = gvk.GroupResource("", "pods")
DEPLOYMENTS = gvk.GroupResource("apps", "deployments")
AT_CONTAINERS = fieldpath.Path("spec").child("containers")

CASES: list[tuple[errors.StatusError, int, str, str, Any]] = [
    (errors.NotFound(PODS, "x"), 404, "NotFound", 'pods "x" not found', {"name": "x", "kind": "pods"}),
    (
        errors.NotFound("deployments.apps", "x"),
        404,
        "NotFound",
        'deployments.apps "x" not found',
        {"name": "x", "group": "apps", "kind": "deployments"},
    ),
    (
        errors.AlreadyExists(DEPLOYMENTS, "x"),
        409,
        "AlreadyExists",
        'deployments.apps "x" already exists',
        {"name": "x", "group": "apps", "kind": "deployments"},
    ),
    (
        errors.GenerateNameConflict(PODS, "x"),
        409,
        "AlreadyExists",
        'pods "x" already exists, the server was not able to generate a unique name for the object',
        {"name": "x", "kind": "pods", "retryAfterSeconds": 1},
    ),
    (
        errors.Conflict(PODS, "x"),
        409,
        "Conflict",
        'Operation cannot be fulfilled on pods "x": the object has been modified; please apply your changes to the '
        "latest version and try again",
        {"name": "x", "kind": "pods"},
    ),
    (
        errors.Forbidden(PODS, "x", "no"),
        403,
        "Forbidden",
        'pods "x" is forbidden: no',
        {"name": "x", "kind": "pods"},
    ),
    (errors.Forbidden(PODS, "", "no"), 403, "Forbidden", "pods is forbidden: no", {"kind": "pods"}),
    (errors.Forbidden("", "", "no"), 403, "Forbidden", "forbidden: no", {}),
    (errors.BadRequest("bad"), 400, "BadRequest", "bad", None),
    (errors.Unauthorized(), 401, "Unauthorized", "not authorized", None),
    (
        errors.MethodNotAllowed(DEPLOYMENTS, "delete"),
        405,
        "MethodNotAllowed",
        'delete is not supported on resources of kind "deployments.apps"',
        {"group": "apps", "kind": "deployments"},
    ),
    (
        errors.NotAcceptable(["a/b", "c/d"]),
        406,
        "NotAcceptable",
        "only the following media types are accepted: a/b, c/d",
        None,
    ),
    (
        errors.UnsupportedMediaType(["a/b"]),
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: a/b",
        None,
    ),
    (errors.Gone("gone"), 410, "Gone", "gone", None),
    (errors.Expired("old"), 410, "Expired", "old", None),
    (
        errors.RequestEntityTooLarge("limit is 3145728"),
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
        None,
    ),
    (errors.TooManyRequests("wait", 5), 429, "TooManyRequests", "wait", {"retryAfterSeconds": 5}),
    (errors.Timeout("late"), 504, "Timeout", "Timeout: late", {}),
    (
        errors.ServerTimeout(PODS, "create", 2),
        500,
        "ServerTimeout",
        "The create operation against pods could not be completed at this time, please try again.",
        {"name": "create", "kind": "pods", "retryAfterSeconds": 2},
    ),
    (
        errors.InternalError("boom"),
        500,
        "InternalError",
        "Internal error occurred: boom",
        {"causes": [{"message": "boom"}]},
    ),
    (errors.ServiceUnavailable("down"), 503, "ServiceUnavailable", "down", None),
    (
        errors.Invalid(gvk.GroupKind("", "Pod"), "x", [fieldpath.required(AT_CONTAINERS)]),
        422,
        "Invalid",
        'Pod "x" is invalid: spec.containers: Required value',
        {
            "name": "x",
            "kind": "Pod",
            "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers"}],
        },
    ),
]


@pytest.mark.parametrize(("error", "code", "reason", "message", "details"), CASES, ids=lambda value: str(value)[:40])
def test_status(error: errors.StatusError, code: int, reason: str, message: str, details: Any) -> None:
    expected = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    expected |= {"reason": reason} | ({} if details is None else {"details": details}) | {"code": code}
    assert error.status() == expected
    assert list(error.status()) == list(expected)
    assert str(error) == message


@pytest.mark.parametrize("error", [case[0] for case in CASES], ids=lambda value: str(value)[:40])
def test_read_back(error: errors.StatusError) -> None:
    again = errors.from_status(error.status())
    assert again.status() == error.status()
    if not isinstance(error, errors.GenerateNameConflict):
        assert type(again) is type(error)
    assert pickle.loads(pickle.dumps(error)).status() == error.status()
    assert copy.copy(error).status() == error.status()


def test_repeated_field_errors_are_said_once() -> None:
    twice = [fieldpath.required(AT_CONTAINERS), fieldpath.required(AT_CONTAINERS)]
    error = errors.Invalid("Deployment.apps", "x", twice)
    assert str(error) == 'Deployment.apps "x" is invalid: spec.containers: Required value'
    assert len(error.causes) == 2
    several = errors.Invalid("Pod", "x", [*twice, fieldpath.forbidden(fieldpath.Path("spec"), "no")])
    assert str(several) == 'Pod "x" is invalid: [spec.containers: Required value, spec: Forbidden: no]'


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"code": 404}, errors.NotFound),
        ({"code": 409, "reason": "Odd"}, errors.Conflict),
        ({"code": 410}, errors.Gone),
        ({"code": 500}, errors.InternalError),
        ({"code": 409, "reason": "AlreadyExists"}, errors.AlreadyExists),
        ({"code": 418}, errors.StatusError),
        ({}, errors.StatusError),
    ],
)
def test_class_by_reason_or_code(status: dict[str, Any], expected: type) -> None:
    assert type(errors.from_status(status)) is expected


def test_expired_is_gone() -> None:
    with pytest.raises(errors.Gone):
        raise errors.Expired("too old")


@pytest.mark.parametrize(
    ("code", "verb", "expected", "message"),
    [
        (404, "GET", errors.NotFound, "the server could not find the requested resource (get pods x)"),
        (409, "POST", errors.AlreadyExists, "the server reported a conflict (post pods x)"),
        (409, "PUT", errors.Conflict, "the server reported a conflict (put pods x)"),
        (403, "GET", errors.Forbidden, "body (get pods x)"),
        (
            502,
            "GET",
            errors.InternalError,
            'an error on the server ("body") has prevented the request from succeeding (get pods x)',
        ),
        (
            302,
            "GET",
            errors.StatusError,
            "the server responded with the status code 302 but did not return more information (get pods x)",
        ),
    ],
)
def test_answers_without_a_status(code: int, verb: str, expected: type, message: str) -> None:
    error = errors.from_response(code, "body", verb=verb, group_resource=PODS, name="x")
    assert type(error) is expected
    assert (error.code, str(error)) == (code, message)
    assert error.has_cause(errors.CAUSE_UNEXPECTED_RESPONSE)


def test_causes_can_be_added() -> None:
    error = errors.Forbidden("pods", "x", "because")
    error.add_cause(errors.CAUSE_NAMESPACE_TERMINATING, "namespace n is being terminated", "metadata.namespace")
    assert error.has_cause(errors.CAUSE_NAMESPACE_TERMINATING)
    assert error.status()["details"]["name"] == "x"
