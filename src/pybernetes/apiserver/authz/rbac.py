"""Role-based access control: may this user do that, by the Roles and ClusterRoles bound to it.

Bindings are indexed by subject and verdicts are remembered until any RBAC object changes, so that a repeated question
costs one dictionary look-up (budget 2 us; bench tests/bench/api.py).
Path: 5 may you.
Upstream: plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import attributes as questions

Rule = Mapping[str, Any]
MAX_REMEMBERED = 20_000


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """One binding that reaches a user: where it holds ("" everywhere) and which role it names."""

    namespace: str
    role_kind: str
    role: str
    description: str


class RbacAuthorizer:
    """Holds every RBAC object and answers from memory. `put` and `remove` keep it in step with storage."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {
            "roles": {},
            "clusterroles": {},
            "rolebindings": {},
            "clusterrolebindings": {},
        }
        self._grants: dict[tuple[str, str], list[Grant]] | None = None
        self._remembered: dict[questions.Attributes | tuple[Any, ...], questions.Decision] = {}

    def put(self, resource: str, obj: dict[str, Any]) -> None:
        """An RBAC object was created or changed."""
        self._objects[resource][_key(obj)] = obj
        self._forget()

    def remove(self, resource: str, obj: dict[str, Any]) -> None:
        """An RBAC object is gone."""
        self._objects[resource].pop(_key(obj), None)
        self._forget()

    def _forget(self) -> None:
        self._grants = None
        self._remembered.clear()

    def authorize(self, attributes: questions.Attributes) -> questions.Decision:
        """Allow when a bound rule covers the question; otherwise no opinion."""
        user = attributes.user
        key = (user.name, user.groups, attributes.verb, attributes.group, attributes.resource, attributes.subresource)
        where = (attributes.namespace, attributes.name, attributes.path, attributes.resource_request)
        decision = self._remembered.get((key, where))
        if decision is None:
            decision = self._decide(attributes)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[(key, where)] = decision
        return decision

    def _decide(self, attributes: questions.Attributes) -> questions.Decision:
        for grant, rule in self._rules(attributes.user, attributes.namespace):
            if allows(rule, attributes):
                return questions.Decision(questions.Verdict.ALLOW, f"RBAC: allowed by {grant.description}")
        return questions.Decision(questions.Verdict.NO_OPINION)

    def rules(self, user: users.UserInfo, namespace: str) -> list[Rule]:
        """Every rule that reaches the user in that namespace ("" for cluster-wide ones only)."""
        return [rule for _, rule in self._rules(user, namespace)]

    def role_rules(self, kind: str, name: str, namespace: str) -> list[Rule] | None:
        """The rules of a Role or ClusterRole; None when there is no such role."""
        role = self._role(kind, name, namespace)
        return None if role is None else list(role.get("rules") or ())

    def _role(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        if kind == "ClusterRole":
            return self._objects["clusterroles"].get(("", name))
        return self._objects["roles"].get((namespace, name))

    def _rules(self, user: users.UserInfo, namespace: str) -> Iterator[tuple[Grant, Rule]]:
        if self._grants is None:
            self._grants = self._index()
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        for subject in subjects:
            for grant in self._grants.get(subject, ()):
                if grant.namespace in ("", namespace):
                    role = self._role(grant.role_kind, grant.role, grant.namespace)
                    for rule in (role or {}).get("rules") or ():
                        yield grant, rule

    def _index(self) -> dict[tuple[str, str], list[Grant]]:
        grants: dict[tuple[str, str], list[Grant]] = {}
        for kind, resource in (("ClusterRoleBinding", "clusterrolebindings"), ("RoleBinding", "rolebindings")):
            for (namespace, name), binding in self._objects[resource].items():
                reference = binding["roleRef"]
                shown = f"{namespace}/{name}" if namespace else name
                for subject in binding.get("subjects") or ():
                    who, to = _subject(subject, namespace)
                    text = f'{kind} "{shown}" of {reference["kind"]} "{reference["name"]}" to {to}'
                    grants.setdefault(who, []).append(Grant(namespace, reference["kind"], reference["name"], text))
        return grants


def _key(obj: dict[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _subject(subject: dict[str, Any], namespace: str) -> tuple[tuple[str, str], str]:
    kind, name = subject["kind"], subject["name"]
    if kind == "ServiceAccount":
        home = subject.get("namespace") or namespace
        return ("User", f"system:serviceaccount:{home}:{name}"), f'{kind} "{name}/{home}"'
    return (kind, name), f'{kind} "{name}"'


def allows(rule: Rule, asked: questions.Attributes) -> bool:
    """Whether one rule covers the question."""
    if not _has(rule.get("verbs"), asked.verb):
        return False
    if not asked.resource_request:
        return any(_url_matches(url, asked.path) for url in rule.get("nonResourceURLs") or ())
    if not _has(rule.get("apiGroups"), asked.group):
        return False
    names = rule.get("resourceNames")
    if names and asked.name not in names:
        return False
    resources = rule.get("resources") or ()
    if not asked.subresource:
        return "*" in resources or asked.resource in resources
    return (
        "*" in resources
        or f"{asked.resource}/{asked.subresource}" in resources
        or f"*/{asked.subresource}" in resources
    )


def _has(values: list[str] | None, wanted: str) -> bool:
    return values is not None and ("*" in values or wanted in values)


def _url_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
