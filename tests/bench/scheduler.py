"""How fast the scheduler decides: CPU per Pod, without any API server.

    python tests/bench/scheduler.py [NODES [PODS]]

Pods of one ReplicaSet with a Service, so that the built-in spreading has to count. Budget: 500 nodes, 1 ms a Pod.
"""

import random
import sys
import time
from collections.abc import Iterable, Mapping

import msgspec

from pybernetes.api.types import apps, core, meta, policy, storage
from pybernetes.apimachinery import labels
from pybernetes.scheduler import algorithm, nominator, profiles, queue
from pybernetes.scheduler.cache import Cache
from pybernetes.scheduler.framework import CycleState, Plugin
from pybernetes.scheduler.node_info import PodInfo
from pybernetes.scheduler.plugins import scheduling_gates, volume_binding

LABELS = {"app": "web"}


class Lists:
    """One Service and one ReplicaSet."""

    service = core.Service(
        metadata=meta.ObjectMeta(name="web", namespace="default"), spec=core.ServiceSpec(selector=LABELS)
    )
    owner = apps.ReplicaSet(
        metadata=meta.ObjectMeta(name="web", namespace="default", uid="rs"),
        spec=apps.ReplicaSetSpec(selector=meta.LabelSelector(matchLabels=LABELS)),
    )

    def pod(self, namespace: str, name: str) -> core.Pod | None:
        return None

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        return {}

    def namespaces(self, selector: labels.Selector) -> Iterable[str]:
        return ()

    def services(self, namespace: str) -> Iterable[core.Service]:
        return (self.service,)

    def replication_controller(self, namespace: str, name: str) -> core.ReplicationController | None:
        return None

    def replica_set(self, namespace: str, name: str) -> apps.ReplicaSet | None:
        return self.owner

    def stateful_set(self, namespace: str, name: str) -> apps.StatefulSet | None:
        return None

    def disruption_budgets(self) -> Iterable[policy.PodDisruptionBudget]:
        return ()

    def claim(self, namespace: str, name: str) -> core.PersistentVolumeClaim | None:
        return None

    def volume(self, name: str) -> core.PersistentVolume | None:
        return None

    def volumes(self) -> Iterable[core.PersistentVolume]:
        return ()

    def storage_class(self, name: str) -> storage.StorageClass | None:
        return None

    def csi_driver(self, name: str) -> storage.CSIDriver | None:
        return None

    def csi_node(self, name: str) -> storage.CSINode | None:
        return None

    def storage_capacities(self) -> Iterable[storage.CSIStorageCapacity]:
        return ()


class NoVolumes:
    """Nothing to bind."""

    async def bind(self, pod: PodInfo, node_name: str, volumes: volume_binding.PodVolumes) -> None:
        return


async def _bind(binding: core.Binding) -> None:
    return


def _no_preemption() -> Plugin:
    return scheduling_gates.SchedulingGates()


def main() -> None:
    """Measure and print."""
    node_count, pod_count = (*map(int, sys.argv[1:]), *(500, 2000)[len(sys.argv) - 1 :])
    cache = Cache()
    amounts = {"cpu": "32", "memory": "128Gi", "pods": "110"}
    for index in range(node_count):
        name = f"node-{index}"
        where = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{index % 3}"}
        cache.add_node(
            core.Node(
                metadata=meta.ObjectMeta(name=name, labels=where),
                status=core.NodeStatus(capacity=amounts, allocatable=amounts),
            )
        )
    needs = profiles.Dependencies(cache.snapshot, Lists(), _bind, nominator.Nominator(), NoVolumes(), _no_preemption)
    frameworks = profiles.build_all((profiles.Profile(),), needs)
    waiting = queue.PriorityQueue(frameworks, time.monotonic)
    resources = core.ResourceRequirements(requests={"cpu": "100m", "memory": "128Mi"})
    containers = (core.Container(name="c", image="web:1", resources=resources),)
    owners = (meta.owner_reference(Lists.owner),)
    started = time.process_time()
    for index in range(pod_count):
        name = f"pod-{index}"
        metadata = meta.ObjectMeta(
            name=name, namespace="default", uid=name, labels=LABELS, ownerReferences=owners, resourceVersion="1"
        )
        spec = core.PodSpec(containers=containers, schedulerName="default-scheduler")
        waiting.add(core.Pod(metadata=metadata, spec=spec))
    queued = time.process_time()
    finder = algorithm.Algorithm(0, random.Random(1))
    profile = frameworks["default-scheduler"]
    while (one := waiting.pop()) is not None:
        state = CycleState()
        result = finder.schedule_pod(profile, state, one.info, cache.update_snapshot())
        assumed = one.info.with_pod(_placed(one.pod, result.suggested_host))
        cache.assume(assumed)
        waiting.done(one.uid)
    decided = time.process_time()
    for pod in [*cache.pods.values()]:
        cache.add_pod(_placed(pod, pod.spec.nodeName))
    confirmed = time.process_time()
    per = 1e6 / pod_count
    print(f"{node_count} nodes, {pod_count} pods")
    print(f"  queue   {(queued - started) * per:8.1f} us/pod")
    print(f"  decide  {(decided - queued) * per:8.1f} us/pod  {pod_count / (decided - queued):8.0f} pods/s")
    print(f"  confirm {(confirmed - decided) * per:8.1f} us/pod")
    spread = sorted(len(node.pods) for node in cache.nodes.values())
    print(f"  pods per node {spread[0]}..{spread[-1]}")


def _placed(pod: core.Pod, node_name: str) -> core.Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, nodeName=node_name))


if __name__ == "__main__":
    main()
