"""The default roles are upstream's, object by object."""

import pathlib

import pytest
import yaml

from pybernetes.apiserver.authz import default_roles

GOLDEN = pathlib.Path(__file__).parents[3] / "golden" / "upstream" / "rbac.yaml"


def test_rule_lines_become_rules() -> None:
    assert default_roles.rule("get,list | core,apps | pods,replicasets") == {
        "verbs": ["get", "list"],
        "apiGroups": ["", "apps"],
        "resources": ["pods", "replicasets"],
    }
    assert default_roles.rule("get | /healthz /livez") == {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez"]}


@pytest.mark.parametrize("kind", ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"])
def test_default_objects_are_upstreams(kind: str) -> None:
    def keyed(objects: list[dict]) -> dict:
        return {
            (obj["metadata"].get("namespace"), obj["metadata"]["name"]): {
                k: v for k, v in obj.items() if k != "apiVersion"
            }
            for obj in objects
            if obj["kind"] == kind
        }

    def widened(obj: dict) -> dict:
        """Upstream's object with the one difference that we make."""
        name, rules = obj["metadata"]["name"], obj.get("rules")
        if rules and name.startswith(default_roles.PATCHING):
            return {**obj, "rules": [default_roles.may_patch(one) for one in rules]}
        return obj

    recorded = keyed(yaml.load(GOLDEN.read_bytes(), Loader=yaml.CSafeLoader))
    ours = keyed(list(default_roles.objects()))
    assert {name: {k: v for k, v in obj.items() if v is not None} for name, obj in ours.items()} == {
        name: {k: v for k, v in obj.items() if v is not None}
        for name, obj in ((name, widened(obj)) for name, obj in recorded.items())
    }
