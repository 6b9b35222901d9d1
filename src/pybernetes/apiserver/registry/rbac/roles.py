"""Roles and bindings: nobody hands out more than they have, but for those who may `escalate` or `bind`.

Upstream: pkg/registry/rbac/*/policybased, pkg/registry/rbac/escalation_check.go.
"""

from collections.abc import Sequence

from pybernetes.apimachinery import errors, gvk, names
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions
from pybernetes.apiserver.authz import escalation, rbac
from pybernetes.apiserver.registry import strategy
from pybernetes.apiserver.registry.strategy import Object

EVERYTHING = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
#: A garbage collector may write these whatever the rest says.
COLLECTED = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")
GROUP = "rbac.authorization.k8s.io"
RESOURCES = {"Role": "roles", "ClusterRole": "clusterroles"}


class RbacStrategy(strategy.Strategy):
    """Of Roles, ClusterRoles and their bindings."""

    generation = False
    allow_create_on_update = True
    name_check = staticmethod(names.is_path_segment_name)

    def __init__(self, resolver: rbac.RbacAuthorizer, authorizer: questions.Authorizer) -> None:
        self._resolver = resolver
        self._authorizer = authorizer

    def prepare_for_create(self, context: strategy.Context, new: Object) -> None:
        """Refuse to grant what the user has not got."""
        self._check(context, new, None)

    def prepare_for_update(self, context: strategy.Context, new: Object, old: Object) -> None:
        """The same, whatever of the rules was there before."""
        if wanted(new) != wanted(old):
            self._check(context, new, old)

    def _check(self, context: strategy.Context, new: Object, old: Object | None) -> None:
        user, facts = context.requester, new["metadata"]
        if user is None or users.SYSTEM_MASTERS in user.groups:
            return
        namespace = facts.get("namespace") or ""
        if "roleRef" in new:
            reference = new["roleRef"]
            kind, name = reference.get("kind") or "", reference.get("name") or ""
            if self._may(user, "bind", RESOURCES.get(kind, ""), namespace, name):
                return
            rules: Sequence[rbac.Rule] | None = self._resolver.role_rules(kind, name, namespace)
            if rules is None:
                raise errors.NotFound(_group(context), name)
        else:
            if self._may(user, "escalate", context.kind.plural, namespace, facts["name"] if old else ""):
                return
            rules = new.get("rules") or ()
        owned = self._resolver.rules(user, namespace)
        missing = escalation.uncovered(owned, rules)
        if missing:
            raise errors.Forbidden(_group(context), facts.get("name") or "", escalation.refusal(user, missing))
        aggregating = any((one or {}).get("aggregationRule") for one in (new, old))
        if aggregating and escalation.uncovered(owned, EVERYTHING):
            text = "must have cluster-admin privileges to use the aggregationRule"
            raise errors.Forbidden(_group(context), facts.get("name") or "", text)

    def _may(self, user: users.UserInfo, verb: str, resource: str, namespace: str, name: str) -> bool:
        asked = questions.Attributes(
            user, verb, group=GROUP, version="*", resource=resource, namespace=namespace, name=name
        )
        return bool(resource) and self._authorizer.authorize(asked).verdict is questions.Verdict.ALLOW


def _group(context: strategy.Context) -> gvk.GroupResource:
    return gvk.GroupResource(context.kind.group, context.kind.plural)


def wanted(obj: Object) -> Object:
    """The object without what the garbage collector and the server write."""
    facts = {name: value for name, value in obj["metadata"].items() if name not in COLLECTED}
    return {**obj, "metadata": facts}
