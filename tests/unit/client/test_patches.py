"""Patches say only what changes, zero values included."""

from pybernetes.api.types import apps, core, meta, selectors
from pybernetes.client import patches


def test_status_patches() -> None:
    old = apps.ReplicaSet(
        metadata=meta.ObjectMeta(name="a", resourceVersion="7"),
        status=apps.ReplicaSetStatus(replicas=2, readyReplicas=2, observedGeneration=1),
    )
    assert patches.status(old, apps.ReplicaSetStatus(replicas=2, readyReplicas=2, observedGeneration=1)) == {}
    new = apps.ReplicaSetStatus(replicas=0, observedGeneration=1)
    assert patches.status(old, new) == {"status": {"replicas": 0, "readyReplicas": None}}
    assert patches.status(old, new, resource_version=True)["metadata"] == {"resourceVersion": "7"}
    assert patches.status(meta.to_dict(old), meta.to_dict(new)) == patches.status(old, new)


def test_lists_are_lists() -> None:
    old, new = core.PodSpec(), core.PodSpec(containers=(core.Container(name="a"),))
    assert patches.diff(old, new) == {"containers": [{"name": "a"}]}
    assert patches.diff(new, new) == {}


def test_selectors() -> None:
    expression = meta.LabelSelectorRequirement(key="tier", operator="NotIn", values=("db",))
    selector = selectors.of(meta.LabelSelector(matchLabels={"app": "web"}, matchExpressions=(expression,)))
    assert selector.matches({"app": "web"})
    assert not selector.matches({"app": "web", "tier": "db"})
    assert not selectors.of(None).matches({})
    assert selectors.of(meta.LabelSelector()).matches({})
