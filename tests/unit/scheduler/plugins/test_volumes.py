"""VolumeBinding, VolumeRestrictions, VolumeZone, NodeVolumeLimits."""

from typing import Any

import msgspec
import pytest
from tests.unit.scheduler import objects

from pybernetes.api.types import core, meta, storage
from pybernetes.scheduler import cluster_events
from pybernetes.scheduler.cluster_events import ClusterEvent
from pybernetes.scheduler.framework import CycleState
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.plugins import node_volume_limits, volume_binding, volume_restrictions, volume_zone

ZONE = "topology.kubernetes.io/zone"
LATER = "WaitForFirstConsumer"
BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


def claim(name: str = "c", size: str = "1Gi", volume: str = "", **more: Any) -> core.PersistentVolumeClaim:
    """A claim of class `later`; bound if it has a volume."""
    annotations = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}
    metadata["annotations"] = annotations | more.pop("annotations", {})
    metadata |= more.pop("metadata", {})
    spec = {
        "volumeName": volume,
        "storageClassName": "later",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
        **more.pop("spec", {}),
    }
    return msgspec.convert({"metadata": metadata, "spec": spec, **more}, core.PersistentVolumeClaim)


def volume(name: str, size: str = "1Gi", zone: str = "", **more: Any) -> core.PersistentVolume:
    """A free volume of class `later`, in a zone if that is given."""
    spec: dict[str, Any] = {
        "capacity": {"storage": size},
        "storageClassName": "later",
        "accessModes": ["ReadWriteOnce"],
        **more.pop("spec", {}),
    }
    if zone:
        term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    metadata = {"name": name, "uid": name, "resourceVersion": "1", **more.pop("metadata", {})}
    made = {"metadata": metadata, "spec": spec, "status": {"phase": "Available"}, **more}
    return msgspec.convert(made, core.PersistentVolume)


def storage_class(name: str = "later", mode: str = LATER, provisioner: str = "x", **more: Any) -> storage.StorageClass:
    """A class."""
    made = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode, **more}
    return msgspec.convert(made, storage.StorageClass)


STATIC = storage_class(provisioner="kubernetes.io/no-provisioner")


def user(*names: str, **more: Any) -> PodInfo:
    """A Pod that uses claims."""
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    return objects.info(volumes=volumes, **more)


def binding(*known: meta.Object) -> volume_binding.VolumeBinding:
    """The plugin."""
    return volume_binding.VolumeBinding(objects.Lists(*known), objects.NoVolumes())


NODES = [objects.node("a", labels={ZONE: "a"}), objects.node("b", labels={ZONE: "b"})]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], {"*": 'persistentvolumeclaim "c" not found'}),
        ([claim(), storage_class(mode="Immediate")], {"*": UNBOUND}),
        ([claim()], {"*": UNBOUND}),
        ([claim(spec={"volumeName": "v"}), STATIC], {"*": UNBOUND}),
        (
            [claim(volume="v", status={"phase": "Lost"})],
            {"*": 'persistentvolumeclaim "c" bound to non-existent persistentvolume "v"'},
        ),
        (
            [claim(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})],
            {"*": 'persistentvolumeclaim "c" is being deleted'},
        ),
        ([claim(volume="v"), volume("v")], {"a": "", "b": ""}),
        (
            [claim(volume="v"), volume("v", zone="a")],
            {"a": "", "b": "node(s) didn't match PersistentVolume's node affinity"},
        ),
        (
            [claim(volume="v")],
            dict.fromkeys("ab", "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"),
        ),
        ([claim(), STATIC, volume("v", zone="a")], {"a": "", "b": BIND_CONFLICT}),
        ([claim(size="2Gi"), STATIC, volume("v")], dict.fromkeys("ab", BIND_CONFLICT)),
        ([claim(), STATIC, volume("v", spec={"accessModes": ["ReadOnlyMany"]})], dict.fromkeys("ab", BIND_CONFLICT)),
        ([claim(), STATIC, volume("v", spec={"storageClassName": "o"})], dict.fromkeys("ab", BIND_CONFLICT)),
        ([claim(), STATIC, volume("v", spec={"volumeMode": "Block"})], dict.fromkeys("ab", BIND_CONFLICT)),
        ([claim(), storage_class()], {"a": "", "b": ""}),  # can be made anywhere
        (
            [
                claim(),
                storage_class(allowedTopologies=[{"matchLabelExpressions": [{"key": ZONE, "values": ["b"]}]}]),
            ],
            {"a": BIND_CONFLICT, "b": ""},
        ),
        (
            [claim(annotations={"volume.kubernetes.io/selected-node": "a"}), storage_class()],
            {"a": "", "b": BIND_CONFLICT},
        ),
    ],
)
def test_volume_binding(known: Any, expected: dict[str, str]) -> None:
    cache = objects.cache_of(NODES)
    assert objects.verdicts(binding(*known), cache, user("c")) == expected


def test_capacity() -> None:
    driver = msgspec.convert({"metadata": {"name": "x"}, "spec": {"storageCapacity": True}}, storage.CSIDriver)
    capacity = msgspec.convert(
        {
            "metadata": {"name": "cap", "namespace": "d"},
            "storageClassName": "later",
            "capacity": "10Gi",
            "nodeTopology": {"matchLabels": {ZONE: "a"}},
        },
        storage.CSIStorageCapacity,
    )
    cache = objects.cache_of(NODES)
    found = objects.verdicts(binding(claim(), storage_class(), driver, capacity), cache, user("c"))
    assert found == {"a": "", "b": "node(s) did not have enough free storage"}


def test_the_smallest_volume_and_each_only_once() -> None:
    plugin = binding(claim("c"), claim("d"), STATIC, volume("big", "9Gi"), volume("small", "1Gi"))
    cache, state, pod = objects.cache_of(NODES[:1]), CycleState(), user("c", "d")
    objects.verdicts(plugin, cache, pod, state)
    plugin.reserve(state, pod, "a")
    chosen = state["PreFilterVolumeBinding"].by_node["a"].bindings
    assert [(one.metadata.name, its.metadata.name) for one, its in chosen] == [("small", "c"), ("big", "d")]
    assert chosen[0][0].spec.claimRef.uid == "c"
    assert chosen[0][0].metadata.annotations == {"pv.kubernetes.io/bound-by-controller": "yes"}


def test_what_is_promised_to_one_pod_is_not_offered_to_the_next() -> None:
    plugin = binding(claim("c"), claim("d"), STATIC, volume("v"))
    cache, state, first = objects.cache_of(NODES), CycleState(), user("c", uid="1")
    assert set(objects.verdicts(plugin, cache, first, state).values()) == {""}
    plugin.reserve(state, first, "a")
    assert set(objects.verdicts(plugin, cache, user("d", uid="2")).values()) == {BIND_CONFLICT}
    plugin.unreserve(state, first, "a")
    assert set(objects.verdicts(plugin, cache, user("d", uid="2")).values()) == {""}


def test_assumed_objects_yield_to_newer_ones() -> None:
    assumed: volume_binding.Assumed[core.PersistentVolume] = volume_binding.Assumed()
    old = volume("v")
    promised = volume_binding.assumed_volume(old, claim())
    assumed.set(promised)
    assert assumed.newest(old) is promised
    newer = volume("v", metadata={"resourceVersion": "2"})
    assert assumed.newest(newer) is newer
    assert assumed.newest(old) is old


def test_ephemeral_claims() -> None:
    pod = objects.info("p", volumes=[{"name": "v", "ephemeral": {}}])
    cache = objects.cache_of(NODES[:1])
    text = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"'
    assert objects.verdicts(binding(), cache, pod) == {"*": text}
    found = objects.verdicts(binding(claim("p-v", volume="x")), cache, pod)
    assert found == {"*": "PVC default/p-v was not created for pod default/p (pod is not owner)"}


def test_claim_hint() -> None:
    event = ClusterEvent(cluster_events.PERSISTENT_VOLUME_CLAIM, cluster_events.ADD)
    hint = objects.hint_for(binding(), event)
    assert hint(user("c"), None, claim("c"))
    assert not hint(user("c"), None, claim("d"))
    assert not hint(user("c"), None, claim("c", metadata={"namespace": "other"}))


def test_read_write_once_pod() -> None:
    exclusive = claim("c", volume="v", spec={"accessModes": ["ReadWriteOncePod"], "volumeName": "v"})
    plugin = volume_restrictions.VolumeRestrictions(objects.Lists(exclusive))
    holder = user("c", uid="x", name="x", node="a").pod
    free, taken = objects.cache_of(NODES), objects.cache_of(NODES, [holder])
    assert set(objects.verdicts(plugin, free, user("c")).values()) == {""}
    state = CycleState()
    found = objects.verdicts(plugin, taken, user("c"), state)
    assert set(found.values()) == {volume_restrictions.ERR_REASON_READ_WRITE_ONCE_POD_CONFLICT}
    node = taken.snapshot.nodes[0]
    plugin.remove_pod(state, user("c"), node.pods["x"], node)  # preemption would help
    assert plugin.filter(state, user("c"), node) is None
    hint = objects.hint_for(plugin, cluster_events.ASSIGNED_POD_DELETE)
    assert hint(user("c"), holder, None)
    assert not hint(user("d"), holder, None)


def test_disks() -> None:
    def disk(read_only: bool) -> dict[str, Any]:
        return {"volumes": [{"name": "v", "gcePersistentDisk": {"pdName": "d", "readOnly": read_only}}]}

    plugin = volume_restrictions.VolumeRestrictions(objects.Lists())
    for there, wanted, expected in ((True, True, ""), (True, False, "node(s) had no available disk")):
        cache = objects.cache_of(NODES[:1], [objects.pod("x", node="a", **disk(there))])
        assert objects.verdicts(plugin, cache, objects.info(**disk(wanted))) == {"a": expected}


def test_zones() -> None:
    there = volume("v", metadata={"labels": {ZONE: "a__c"}})
    plugin = volume_zone.VolumeZone(objects.Lists(claim(volume="v"), there))
    cache = objects.cache_of([*NODES, objects.node("nowhere")])
    found = objects.verdicts(plugin, cache, user("c"))
    assert found == {"a": "", "b": "node(s) had no available volume zone", "nowhere": ""}
    waiting = volume_zone.VolumeZone(objects.Lists(claim(), storage_class()))
    assert set(objects.verdicts(waiting, cache, user("c")).values()) == {""}


def test_limits() -> None:
    csi = [volume(f"v{i}", spec={"csi": {"driver": "x", "volumeHandle": f"h{i}"}}) for i in range(3)]
    claims = [claim(f"c{i}", volume=f"v{i}") for i in range(3)]
    drivers = {"drivers": [{"name": "x", "nodeID": "a", "allocatable": {"count": 2}}]}
    csi_node = msgspec.convert({"metadata": {"name": "a"}, "spec": drivers}, storage.CSINode)
    plugin = node_volume_limits.NodeVolumeLimits(objects.Lists(*csi, *claims, csi_node))
    cache = objects.cache_of(NODES[:1], [user("c0", uid="x", name="x", node="a").pod])
    assert objects.verdicts(plugin, cache, user("c0", "c1")) == {"a": ""}  # one of them is there already
    assert objects.verdicts(plugin, cache, user("c1", "c2")) == {"a": "node(s) exceed max volume count"}
    assert objects.verdicts(plugin, cache, objects.info()) == {"a": ""}
