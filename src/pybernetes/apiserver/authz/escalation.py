"""Nobody hands out more than they have: is every right in one set of rules covered by another?

Pure. Rules are broken down to single (verb, group, resource, name) rights, each of which one owner rule must cover.
Upstream: k8s.io/component-helpers/auth/rbac/validation (Covers), pkg/registry/rbac/escalation_check.go.
"""

import itertools
from collections.abc import Iterator, Sequence

from pybernetes.apimachinery import goformat
from pybernetes.apiserver.authn import user as users
from pybernetes.apiserver.authz import rbac


def uncovered(owned: Sequence[rbac.Rule], wanted: Sequence[rbac.Rule]) -> list[rbac.Rule]:
    """The single rights of `wanted` that no rule of `owned` covers."""
    return [right for rule in wanted for right in _single_rights(rule) if not any(_covers(own, right) for own in owned)]


def refusal(user: users.UserInfo, missing: Sequence[rbac.Rule]) -> str:
    """What upstream says to somebody who hands out rights without having them; verbs of one resource stand together."""
    verbs: dict[str, list[str]] = {}
    rights: dict[str, rbac.Rule] = {}
    for right in missing:
        bare = {name: value for name, value in right.items() if name != "verbs"}
        key = str(right if "nonResourceURLs" in right else bare)
        rights[key] = bare
        verbs.setdefault(key, []).extend(right["verbs"])
    lines = sorted({describe({**right, "verbs": verbs[key]}) for key, right in rights.items()})
    groups = " ".join(map(goformat.quote, user.groups))
    who = f"user {goformat.quote(user.name)} (groups=[{groups}])"
    return "\n".join([f"{who} is attempting to grant RBAC permissions not currently held:", *lines])


def _single_rights(rule: rbac.Rule) -> Iterator[rbac.Rule]:
    verbs = rule.get("verbs") or ()
    for verb, url in itertools.product(verbs, rule.get("nonResourceURLs") or ()):
        yield {"verbs": [verb], "nonResourceURLs": [url]}
    names = rule.get("resourceNames") or [None]
    groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
    for group, resource, name, verb in itertools.product(groups, resources, names, verbs):
        right: dict[str, list[str]] = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
        if name is not None:
            right["resourceNames"] = [name]
        yield right


def _covers(owner: rbac.Rule, right: rbac.Rule) -> bool:
    if not _within(owner.get("verbs"), right["verbs"][0]):
        return False
    if "nonResourceURLs" in right:
        url = right["nonResourceURLs"][0]
        return any(
            own == url or (own.endswith("*") and url.rstrip("*").startswith(own.rstrip("*")))
            for own in owner.get("nonResourceURLs") or ()
        )
    names = owner.get("resourceNames")
    return (
        _within(owner.get("apiGroups"), right["apiGroups"][0])
        and _resource_within(owner.get("resources") or (), right["resources"][0])
        and (not names or ("resourceNames" in right and right["resourceNames"][0] in names))
    )


def _within(values: Sequence[str] | None, wanted: str) -> bool:
    return values is not None and ("*" in values or wanted in values)


def _resource_within(owned: Sequence[str], wanted: str) -> bool:
    if "*" in owned or wanted in owned:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in owned


def describe(right: rbac.Rule) -> str:
    """One right as upstream's refusal prints it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    shown_as = {
        "nonResourceURLs": "NonResourceURLs",
        "apiGroups": "APIGroups",
        "resources": "Resources",
        "resourceNames": "ResourceNames",
        "verbs": "Verbs",
    }
    parts = []
    for field, shown in shown_as.items():
        if right.get(field):
            values = " ".join(f'"{value}"' for value in right[field])
            parts.append(f"{shown}:[{values}]")
    return "{" + ", ".join(parts) + "}"
