"""The roles and bindings that every cluster starts with: upstream's, read from the table beside this file.

One difference: controllers that may update something may patch it too (docs/deviations.md).

Upstream: plugin/pkg/auth/authorizer/rbac/bootstrappolicy.
"""

import functools
import importlib.resources
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
PATCHING = "system:controller:"
API = "rbac.authorization.k8s.io"
API_VERSION = f"{API}/v1"

Object = dict[str, Any]


def _table() -> Object:
    text = importlib.resources.files(__package__).joinpath("default_roles.yaml").read_bytes()
    table: Object = yaml.load(text, Loader=yaml.CSafeLoader)
    return table


@functools.cache
def objects() -> tuple[Object, ...]:
    """Every default ClusterRole, ClusterRoleBinding, Role and RoleBinding as a plain object, not to be changed."""
    return tuple(_objects(_table()))


def _objects(table: Object) -> Iterator[Object]:
    for name, role in table["clusterRoles"].items():
        obj = _object("ClusterRole", name, role.get("labels"))
        obj["rules"] = _rules(name, role.get("rules", ())) or None
        if "aggregate" in role:
            selectors = [{"matchLabels": {label: "true"}} for label in role["aggregate"]]
            obj["aggregationRule"] = {"clusterRoleSelectors": selectors}
        yield obj
    for name, binding in table["clusterRoleBindings"].items():
        yield _binding("ClusterRoleBinding", "ClusterRole", name, binding)
    for name, rules in table["roles"].items():
        yield _object("Role", name) | {"rules": _rules(name.partition("/")[2], rules)}
    for name, binding in table["roleBindings"].items():
        yield _binding("RoleBinding", "Role", name, binding)


def _rules(name: str, lines: Iterable[str]) -> list[Object]:
    rules = [rule(line) for line in lines]
    return [may_patch(one) for one in rules] if name.startswith(PATCHING) else rules


def _object(kind: str, name: str, labels: dict[str, str] | None = None) -> Object:
    namespace, slash, short = name.partition("/")
    metadata: Object = {"name": short if slash else name}
    if slash:
        metadata["namespace"] = namespace
    metadata |= {"labels": {**LABELS, **(labels or {})}, "annotations": dict(ANNOTATIONS)}
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": metadata}


def _binding(kind: str, role_kind: str, name: str, binding: Object) -> Object:
    obj = _object(kind, name)
    if binding["subjects"]:
        obj["subjects"] = [_subject(line) for line in binding["subjects"]]
    obj["roleRef"] = {"apiGroup": API, "kind": role_kind, "name": binding["role"]}
    return obj


def _subject(line: str) -> Object:
    kind, _, name = line.partition(" ")
    if kind == "ServiceAccount":
        namespace, _, short = name.partition("/")
        return {"kind": kind, "name": short, "namespace": namespace}
    return {"kind": kind, "apiGroup": API, "name": name}


def may_patch(one: Object) -> Object:
    """The same rule with `patch` beside `update`: our components change objects by patches, upstream's by updates."""
    if "update" in one["verbs"] and "patch" not in one["verbs"]:
        return {**one, "verbs": sorted([*one["verbs"], "patch"])}
    return one


def rule(line: str) -> Object:
    """One rule of the table: `VERBS | GROUPS | RESOURCES [| NAMES]` or `VERBS | URLS`."""
    verbs, *rest = (part.strip() for part in line.split("|"))
    if len(rest) == 1:
        return {"verbs": verbs.split(","), "nonResourceURLs": rest[0].split()}
    groups = ["" if group == "core" else group for group in rest[0].split(",")]
    found = {"verbs": verbs.split(","), "apiGroups": groups, "resources": rest[1].split(",")}
    if len(rest) == 3:
        found["resourceNames"] = rest[2].split(",")
    return found
