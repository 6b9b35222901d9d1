"""ReplicaSets and ReplicationControllers against a real API server; the names are those of the acceptance list."""

import asyncio
import itertools

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import apps, core, meta
from pybernetes.apimachinery import errors, gvk, timestamps
from pybernetes.client import transport
from pybernetes.controllers import pod_control, replicaset
from pybernetes.http import messages

RS = "apps/v1/ReplicaSet"
NAME = "replicaset-controller"
PODS = gvk.GroupResource("", "pods")


class Gate:
    """Stands before the server and refuses, counts or holds requests as the test says."""

    def __init__(self, cluster):
        self.creates = []
        self.refuse_create = lambda number: None
        self.refuse_delete = lambda name: None
        self.running = 0
        self.sizes = []
        """How many creates were sent side by side, time after time."""
        self.times = []
        self._clock = cluster.clock
        self._handle, cluster.gate = cluster.gate, self

    async def __call__(self, request):
        path = request.path.rpartition("/")[2]
        if request.method == "POST" and path == "pods":
            self.creates.append(request)
            number = len(self.creates)
            self.times.append(self._clock.monotonic())
            if self.running:
                self.sizes[-1] += 1
            else:
                self.sizes.append(1)
            self.running += 1
            await asyncio.sleep(0)
            self.running -= 1
            if (error := self.refuse_create(number)) is not None:
                return self._refuse(error)
        if request.method == "DELETE" and "/pods/" in request.path:
            if (error := self.refuse_delete(path)) is not None:
                return self._refuse(error)
        return await self._handle(request)

    @staticmethod
    def _refuse(error):
        if isinstance(error, transport.TransportError):
            raise error
        body = msgspec.json.encode(error.status())
        return messages.Response(error.code, [("Content-Type", "application/json")], body)


async def scale(cluster, replicas, name="web"):
    await cluster.patch(RS, name, {"spec": {"replicas": replicas}})


async def names(cluster):
    return sorted(pod.metadata.name for pod in await cluster.live_pods())


async def test_r4_status_follows_generation_and_a_deleted_one_is_forgotten(cluster):
    manager = await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    await scale(cluster, 1)
    await cluster.settle()
    found = await cluster.get(RS, "web")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    assert found["status"]["replicas"] == 1
    await cluster.delete(RS, "web")
    await cluster.settle()
    assert manager is not None


@pytest.mark.parametrize(("kind", "name"), [("ReplicaSet", NAME), ("ReplicationController", "replicationcontroller")])
async def test_r3_one_code_for_both_kinds(cluster, kind, name):
    await cluster.run(name)
    obj = cluster.workload("ReplicaSet", "web", 2)
    if kind == "ReplicationController":
        obj |= {"apiVersion": "v1", "kind": kind, "spec": {**obj["spec"], "selector": {"app": "web"}}}
    made = await cluster.apply(obj)
    await cluster.settle()
    for pod in await cluster.list_all("Pod"):
        (reference,) = pod["metadata"]["ownerReferences"]
        assert reference == cluster.owner(made, controller=True, blockOwnerDeletion=True)
        assert pod["metadata"]["name"].startswith("web-")
    await cluster.start_pods()
    await cluster.settle()
    status = (await cluster.get(f"{made['apiVersion']}/{kind}", "web"))["status"]
    assert (status["replicas"], status["readyReplicas"], status["availableReplicas"]) == (2, 2, 2)


async def test_r5_does_not_act_twice_on_a_late_cache(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 0))
    await cluster.settle()
    gate = Gate(cluster)
    await scale(cluster, 3)
    for number in range(5):
        await cluster.patch(RS, "web", {"metadata": {"labels": {"n": str(number)}}})
    await cluster.settle()
    assert len(gate.creates) == len(await names(cluster)) == 3


async def test_r6_failed_pods_are_replaced_and_stay(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 1))
    await cluster.settle()
    (name,) = await names(cluster)
    await cluster.set_pod(name, phase="Failed", ready=False)
    await cluster.settle()
    assert len(await names(cluster)) == 2
    assert name in await names(cluster)


async def test_r7_adopts_and_releases(cluster):
    await cluster.run(NAME)
    template = cluster.template({"app": "web"})
    bare = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "bare", "labels": {"app": "web"}}}
    await cluster.apply(bare)
    made = await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    assert len(await names(cluster)) == 2
    adopted = await cluster.get("Pod", "bare")
    assert adopted["metadata"]["ownerReferences"] == [cluster.owner(made, controller=True, blockOwnerDeletion=True)]
    await cluster.patch("Pod", "bare", {"metadata": {"labels": {"app": "free"}}})
    await cluster.settle()
    released = await cluster.get("Pod", "bare")
    assert "ownerReferences" not in released["metadata"]
    assert len(await cluster.live_pods(selector="app=web")) == 2


async def test_r8_nothing_is_managed_while_it_is_being_deleted(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    await cluster.delete(RS, "web", propagation="Foreground")
    name = (await names(cluster))[0]
    await cluster.delete("Pod", name, grace_period=0)
    await cluster.settle()
    assert len(await names(cluster)) == 1


async def test_r9_creates_in_growing_batches(cluster):
    await cluster.run(NAME)
    gate = Gate(cluster)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 10))
    await cluster.settle()
    assert gate.sizes == [1, 2, 4, 3]


async def test_r9_at_most_a_burst_at_once(cluster):
    await cluster.run(NAME)
    gate = Gate(cluster)
    gate.refuse_create = lambda number: transport.TransportError("cut") if number > 500 else None
    await cluster.apply(cluster.workload("ReplicaSet", "web", 600))
    await cluster.until(lambda: len(gate.creates) > 500)
    assert len(await names(cluster)) == 500
    gate.refuse_create = lambda number: None

    async def all_there():
        return len(await names(cluster)) == 600

    await cluster.until(all_there)
    await cluster.settle(5)
    assert await all_there()


async def test_r10_slow_start_stops_after_a_failed_batch(cluster):
    await cluster.run(NAME)
    gate = Gate(cluster)
    quota = errors.Forbidden(PODS, "x", "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2")
    gate.refuse_create = lambda number: quota if number > 2 else None
    await cluster.apply(cluster.workload("ReplicaSet", "web", 10))
    await cluster.settle(1)
    assert gate.sizes[:2] == [1, 2]
    assert set(gate.sizes[2:]) == {1}
    gaps = [later - earlier for earlier, later in itertools.pairwise(gate.times[-4:])]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 2 * gaps[0]
    assert len(await names(cluster)) == 2
    await cluster.settle(0.5)
    (condition,) = (await cluster.get(RS, "web"))["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("ReplicaFailure", "True", "FailedCreate")
    failed = [message for reason, message in await cluster.events("web") if reason == "FailedCreate"]
    assert failed[0].startswith('Error creating: pods "x" is forbidden: exceeded quota')
    gate.refuse_create = lambda number: None
    await cluster.settle(60)
    assert len(await names(cluster)) == 10
    assert "conditions" not in (await cluster.get(RS, "web"))["status"]


async def test_r12_least_missed_goes_first(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 5))
    await cluster.settle()
    pending, *running = await names(cluster)
    for name in running:
        await cluster.set_pod(name)
    await scale(cluster, 4)
    await cluster.settle()
    assert pending not in await names(cluster)
    cheap = running[1]
    annotation = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    await cluster.patch("Pod", cheap, {"metadata": {"annotations": annotation}})
    await scale(cluster, 3)
    await cluster.settle()
    assert cheap not in await names(cluster)


async def test_r13_all_deletions_are_tried_though_one_fails(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 4))
    await cluster.settle()
    gate = Gate(cluster)
    stuck = (await names(cluster))[0]
    gate.refuse_delete = lambda name: errors.InternalError("webhook says no") if name == stuck else None
    await scale(cluster, 0)
    await cluster.settle()
    assert await names(cluster) == [stuck]
    assert ("FailedDelete", "Error deleting: Internal error occurred: webhook says no") in await cluster.events("web")
    gate.refuse_delete = lambda name: None
    await cluster.settle(5)
    assert await names(cluster) == []


async def test_p3_first_version_has_no_node_and_a_generated_name(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 1))
    await cluster.settle()
    (pod,) = await cluster.list_all("Pod")
    assert pod["metadata"]["generateName"] == "web-"
    assert len(pod["metadata"]["name"]) == len("web-") + 5
    assert "nodeName" not in pod["spec"]
    assert (await cluster.events("web")) == [("SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")]


async def test_restart_makes_good_what_was_missed(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 3))
    await cluster.settle()
    await cluster.stop_controllers()
    for name in (await names(cluster))[:2]:
        await cluster.delete("Pod", name, grace_period=0)
    await cluster.run(NAME)
    await cluster.settle()
    assert len(await names(cluster)) == 3


async def test_min_ready_seconds_pass_before_it_is_available(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 1, minReadySeconds=30))
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle(10)
    status = (await cluster.get(RS, "web"))["status"]
    assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (1, 0)
    await cluster.settle(25)
    assert (await cluster.get(RS, "web"))["status"]["availableReplicas"] == 1


async def test_steady_state_writes_nothing(cluster):
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle()
    before = await cluster.list_all(RS), await cluster.list_all("Pod")
    await cluster.settle(60)
    assert (await cluster.list_all(RS), await cluster.list_all("Pod")) == before


async def test_slow_start_batch():
    done = []

    async def call():
        done.append(1)
        if len(done) == 3:
            raise errors.InternalError("no")

    created, failure = await pod_control.slow_start_batch(10, 1, call)
    assert (created, str(failure), len(done)) == (2, "Internal error occurred: no", 3)
    done.clear()
    done += [1] * 10
    assert await pod_control.slow_start_batch(7, 1, call) == (7, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"apiVersion": ""}, "controllerRef has empty APIVersion"),
        ({"kind": ""}, "controllerRef has empty Kind"),
        ({"controller": False}, "controllerRef.Controller is not set to true"),
        ({"blockOwnerDeletion": None}, "controllerRef.BlockOwnerDeletion is not set"),
    ],
)
def test_p2_references_that_control_nothing_are_refused(changes, message):
    good = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "u"}
    reference = meta.OwnerReference(**{**good, "controller": True, "blockOwnerDeletion": True, **changes})
    with pytest.raises(ValueError, match=message):
        pod_control.validate_controller_ref(reference)


def _pod(name, *, node="n", phase="Running", ready_for=None, age=1000, cost="", restarts=0):
    now = clocks.VirtualClock().now()

    def ago(seconds):
        return timestamps.from_unix(now.timestamp() - seconds)

    conditions = ()
    if ready_for is not None:
        conditions = (core.PodCondition(type="Ready", status="True", lastTransitionTime=ago(ready_for)),)
    return core.Pod(
        metadata=meta.ObjectMeta(
            name=name,
            creationTimestamp=ago(age),
            annotations={pod_control.DELETION_COST: cost} if cost else {},
        ),
        spec=core.PodSpec(nodeName=node),
        status=core.PodStatus(
            phase=phase,
            conditions=conditions,
            containerStatuses=(core.ContainerStatus(name="c", restartCount=restarts),),
        ),
    )


@pytest.mark.parametrize(
    ("first", "second", "siblings"),
    [
        ({"node": ""}, {}, {}),
        ({"phase": "Pending"}, {"phase": "Unknown"}, {}),
        ({"phase": "Unknown"}, {"phase": "Running"}, {}),
        ({}, {"ready_for": 10}, {}),
        ({"ready_for": 10, "cost": "-1"}, {"ready_for": 10}, {}),
        ({"ready_for": 900, "node": "busy"}, {"ready_for": 1, "node": "calm"}, {"busy": 3, "calm": 1}),
        ({"ready_for": 10}, {"ready_for": 900}, {}),
        ({"ready_for": 900, "restarts": 2}, {"ready_for": 900}, {}),
        ({"ready_for": 9, "age": 10}, {"ready_for": 9, "age": 1000}, {}),
    ],
)
def test_r12_rank_for_deletion(first, second, siblings):
    now = clocks.VirtualClock().now()
    pods = [_pod("second", **second), _pod("first", **first)]
    assert [pod.metadata.name for pod in pod_control.order_for_deletion(pods, siblings, now)] == ["first", "second"]


def test_conditions_change_only_with_the_verdict():
    now = clocks.VirtualClock().now()
    owner = apps.ReplicaSet(spec=apps.ReplicaSetSpec(replicas=1))
    status = replicaset.calculate_status(owner, [], errors.InternalError("no"), now)
    assert [one["reason"] for one in status["conditions"]] == ["FailedCreate"]
    assert replicaset.calculate_status(owner, [], None, now)["conditions"] == []
