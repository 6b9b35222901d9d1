"""Questions about users: who is this token, may somebody do that, what may I do. Nothing is stored.

Upstream: pkg/registry/authentication, pkg/registry/authorization.
"""

from collections.abc import Iterable
from typing import Any

from pybernetes.apimachinery import errors, fieldpath, gvk
from pybernetes.apiserver import context as contexts
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import rbac
from pybernetes.apiserver.verbs import decode, negotiate, present

Object = dict[str, Any]
SPEC = fieldpath.Path("spec")


def _read(context: contexts.RequestContext) -> Object:
    negotiate.output(context, transforms=False)
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
    _check(context, review, _wrong_user(review["spec"]))
    return _decide(context, review, _subject(review))


async def local_subject_access(context: contexts.RequestContext) -> contexts.AnyResponse:
    """LocalSubjectAccessReview: the same, within one namespace."""
    review = _read(context)
    spec, facts = review["spec"], review["metadata"]
    found = _wrong_user(spec)
    if facts.setdefault("namespace", context.info.namespace) != context.info.namespace:
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.BadRequest(text)
    given = (spec.get("resourceAttributes") or {}).get("namespace", "")
    if spec.get("resourceAttributes") is not None and given != facts["namespace"]:
        path = SPEC.child("resourceAttributes", "namespace")
        found.append(fieldpath.invalid(path, given, "must match metadata.namespace"))
    if spec.get("nonResourceAttributes") is not None:
        shown = _other_as_go(spec)
        text = "disallowed on this kind of request"
        found.append(fieldpath.invalid(SPEC.child("nonResourceAttributes"), shown, text))
    _check(context, review, found, but=("namespace",))
    return _decide(context, review, _subject(review))


async def self_subject_access(context: contexts.RequestContext) -> contexts.AnyResponse:
    """SelfSubjectAccessReview: may I do that."""
    review = _read(context)
    _check(context, review, [])
    return _decide(context, review, context.user)


def _check(
    context: contexts.RequestContext, review: Object, more: fieldpath.ErrorList, but: tuple[str, ...] = ()
) -> None:
    """Refuse a question that is none. Raises Invalid."""
    spec = review["spec"]
    found: fieldpath.ErrorList = []
    if (spec.get("resourceAttributes") is None) == (spec.get("nonResourceAttributes") is None):
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        found.append(fieldpath.invalid(SPEC, _other_as_go(spec), text))
    found += more
    facts = {name: value for name, value in review["metadata"].items() if value}
    if set(facts) - {"managedFields", *but}:
        text = "must be empty except for namespace" if but else "must be empty"
        found.append(fieldpath.invalid(fieldpath.Path("metadata"), facts, text))
    if found:
        raise errors.Invalid(gvk.GroupKind(context.kind.group, ""), "", found)


def _other_as_go(spec: Object) -> Object | None:
    other = spec.get("nonResourceAttributes")
    return None if other is None else {"Path": other.get("path", ""), "Verb": other.get("verb", "")}


def _wrong_user(spec: Object) -> fieldpath.ErrorList:
    if spec.get("user") or spec.get("groups"):
        return []
    return [fieldpath.invalid(SPEC.child("user"), "", "at least one of user or group must be specified")]


def _subject(review: Object) -> users.UserInfo:
    spec = review["spec"]
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return users.UserInfo(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _decide(context: contexts.RequestContext, review: Object, user: users.UserInfo) -> contexts.AnyResponse:
    asked = _question(review["spec"], user)
    decision = context.server.authorizer.authorize(asked)
    status: Object = {"allowed": decision.verdict is questions.Verdict.ALLOW}
    if decision.verdict is questions.Verdict.DENY:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    review["status"] = status
    return _answer(context, review)


def _question(spec: Object, user: users.UserInfo) -> questions.Attributes:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None:
        assert other is not None
        return questions.Attributes(user, other.get("verb", ""), path=other.get("path", ""), resource_request=False)
    members = ("group", "version", "resource", "subresource", "namespace", "name")
    return questions.Attributes(
        user, resource.get("verb", ""), **{member: resource.get(member, "") for member in members}
    )


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
