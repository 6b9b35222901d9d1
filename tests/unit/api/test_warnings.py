"""Warnings about Pods, in upstream's words."""

from typing import Any

import pytest

from pybernetes.api import kinds, warnings

POD = kinds.TABLE.by_gvk("", "v1", "Pod")
DEPLOYMENT = kinds.TABLE.by_gvk("apps", "v1", "Deployment")

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    (
        {"nodeSelector": {"beta.kubernetes.io/os": "linux"}},
        ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
    ),
    (
        {"topologySpreadConstraints": [{"topologyKey": "zone"}]},
        ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
    ),
    ({"imagePullSecrets": [{}]}, ['spec.imagePullSecrets[0].name: invalid empty name ""']),
    (
        {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "$(X)2"}]}]},
        [],
    ),
    (
        {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]}]},
        ['spec.containers[0].env[1]: hides previous definition of "X", which may be dropped when using apply'],
    ),
    (
        {"containers": [{"name": "a", "resources": {"limits": {"memory": "100m"}}}]},
        ['spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer'],
    ),
    (
        {"containers": [{"ports": [{"containerPort": 80}]}, {"ports": [{"containerPort": 80}]}]},
        ["spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]"],
    ),
]


@pytest.mark.parametrize(("spec", "texts"), CASES)
def test_pods(spec: dict[str, Any], texts: list[str]) -> None:
    assert POD is not None
    pod = {"metadata": {"name": "p"}, "spec": spec}
    assert warnings.of(POD, pod, None) == texts
    assert warnings.of(POD, pod, pod) == []


def test_templates_are_looked_at_when_they_change() -> None:
    assert DEPLOYMENT is not None
    template = {"spec": {"topologySpreadConstraints": [{}]}}
    old = {"metadata": {"generation": 1}, "spec": {"template": template}}
    new = {**old, "metadata": {"generation": 2}}
    assert len(warnings.of(DEPLOYMENT, new, old)) == 1
    assert warnings.of(DEPLOYMENT, new, None)[0].startswith("spec.template.spec.topologySpreadConstraints[0]")
    assert warnings.of(DEPLOYMENT, old, old) == []
