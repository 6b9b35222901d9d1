"""Questions about users: who is this token, may somebody do that, what may I do. Nothing is stored.

Upstream: pkg/registry/authentication, pkg/registry/authorization.
"""

from collections.abc import Iterable
from typing import Any

from pybernetes.apimachinery import errors, fieldpath
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import rbac
from pybernetes.apiserver.verbs import decode, present

Object = dict[str, Any]
SPEC = fieldpath.Path("spec")


def _read(context: contexts.RequestContext) -> Object:
    found = decode.read(context, context.kind.gvk)
    found.setdefault("metadata", {})
    found.setdefault("spec", {})
    return found


def _answer(context: contexts.RequestContext, review: Object) -> contexts.AnyResponse:
    return present.value(context, review, 201)


async def token(context: contexts.RequestContext) -> contexts.AnyResponse:
    """TokenReview: the user behind a bearer token."""
    review = _read(context)
    text = review["spec"].get("token") or ""
    if not text:
        raise errors.BadRequest("token is required for TokenReview in authentication")
    wanted = tuple(review["spec"].get("audiences") or ())
    try:
        found, audiences = await context.server.authenticator.review(text, wanted)
    except errors.Unauthorized as error:
        review["status"] = {"user": {}, "error": str(error.__cause__ or "")} if error.__cause__ else {"user": {}}
    else:
        review["status"] = {"authenticated": True, "user": _user(found)}
        if audiences:
            review["status"]["audiences"] = list(audiences)
    return _answer(context, review)


async def self_subject(context: contexts.RequestContext) -> contexts.AnyResponse:
    """SelfSubjectReview: who am I."""
    review = _read(context)
    review["status"] = {"userInfo": _user(context.user)}
    review.pop("spec", None)
    review["metadata"].setdefault("creationTimestamp", None)
    return _answer(context, review)


def _user(user: users.UserInfo) -> Object:
    shown: Object = {"username": user.name}
    if user.uid:
        shown["uid"] = user.uid
    if user.groups:
        shown["groups"] = list(user.groups)
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


async def subject_access(context: contexts.RequestContext) -> contexts.AnyResponse:
    """SubjectAccessReview: may that user do that."""
    review = _read(context)
    return _decide(context, review, _subject(context, review))


async def local_subject_access(context: contexts.RequestContext) -> contexts.AnyResponse:
    """LocalSubjectAccessReview: the same, within one namespace."""
    review = _read(context)
    resource = review["spec"].get("resourceAttributes") or {}
    if resource.get("namespace") != context.info.namespace:
        path = SPEC.child("resourceAttributes").child("namespace")
        text = f"must match metadata.namespace: {context.info.namespace}"
        raise _invalid(context, [fieldpath.invalid(path, resource.get("namespace", ""), text)])
    return _decide(context, review, _subject(context, review))


async def self_subject_access(context: contexts.RequestContext) -> contexts.AnyResponse:
    """SelfSubjectAccessReview: may I do that."""
    review = _read(context)
    return _decide(context, review, context.user)


def _subject(context: contexts.RequestContext, review: Object) -> users.UserInfo:
    spec = review["spec"]
    if not spec.get("user") and not spec.get("groups"):
        path = SPEC.child("user")
        raise _invalid(context, [fieldpath.invalid(path, "", "at least one of user or group must be specified")])
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return users.UserInfo(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _decide(context: contexts.RequestContext, review: Object, user: users.UserInfo) -> contexts.AnyResponse:
    asked = _question(context, review["spec"], user)
    decision = context.server.authorizer.authorize(asked)
    status: Object = {"allowed": decision.verdict is questions.Verdict.ALLOW}
    if decision.verdict is questions.Verdict.DENY:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    review["status"] = status
    return _answer(context, review)


def _question(context: contexts.RequestContext, spec: Object, user: users.UserInfo) -> questions.Attributes:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        text = "cannot be specified in combination with resourceAttributes"
        path = SPEC.child("nonResourceAttributes")
        if resource is None:
            path, text = (
                SPEC.child("resourceAttributes"),
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            )
        raise _invalid(context, [fieldpath.invalid(path, other or {}, text)])
    if resource is None:
        assert other is not None
        return questions.Attributes(user, other.get("verb", ""), path=other.get("path", ""), resource_request=False)
    return questions.Attributes(
        user,
        resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
    )


def _invalid(context: contexts.RequestContext, problems: list[fieldpath.FieldError]) -> errors.StatusError:
    return errors.Invalid(context.kind.kind + "." + context.kind.group, "", problems)


async def self_subject_rules(context: contexts.RequestContext) -> contexts.AnyResponse:
    """SelfSubjectRulesReview: everything I may do in a namespace."""
    review = _read(context)
    namespace = review["spec"].get("namespace") or ""
    if not namespace:
        raise errors.BadRequest("no namespace on request")
    rules = context.server.rbac.rules(context.user, namespace)
    if users.SYSTEM_MASTERS in context.user.groups:
        rules = [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
            *rules,
        ]
    review["status"] = {
        "resourceRules": [
            _shown(rule, ("verbs", "apiGroups", "resources", "resourceNames"))
            for rule in rules
            if rule.get("resources")
        ],
        "nonResourceRules": [
            _shown(rule, ("verbs", "nonResourceURLs")) for rule in rules if rule.get("nonResourceURLs")
        ],
        "incomplete": False,
    }
    return _answer(context, review)


def _shown(rule: rbac.Rule, fields: Iterable[str]) -> Object:
    return {field: rule[field] for field in fields if rule.get(field)}
