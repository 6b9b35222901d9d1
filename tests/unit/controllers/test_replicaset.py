"""ReplicaSets and ReplicationControllers against a real API server: seeds R3 to R13, P1 to P4."""

import asyncio
import functools
import itertools
import re

import msgspec
import pytest

from pybernetes.aio import clock as clocks
from pybernetes.api.types import apps
from pybernetes.apimachinery import errors, gvk
from pybernetes.client import transport
from pybernetes.controllers import pod_control, replicaset
from pybernetes.http import messages

RS = "apps/v1/ReplicaSet"
NAME = "replicaset-controller"
QUOTA = "resourcequota-controller"
PODS = gvk.GroupResource("", "pods")
GUARD = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "guard"},
    "webhooks": [
        {
            "name": "guard.example.com",
            "clientConfig": {"service": {"namespace": "default", "name": "not-there"}},
            "rules": [{"operations": ["DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "objectSelector": {"matchLabels": {"guarded": "yes"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
    ],
}
"""A webhook that cannot be asked whether Pods with that label may go: they may not."""


class Gate:
    """Stands before the server and refuses, counts or holds requests as the test says."""

    def __init__(self, cluster):
        self.creates = []
        self.refuse_create = lambda number: None
        self.pod_events = None
        """What becomes of the lines of a watch on Pods: called with a line and the function that hands it on."""
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
        answer = await self._handle(request)
        if path == "pods" and isinstance(answer, messages.StreamResponse):
            answer.run = functools.partial(self._watch_pods, answer.run)
        return answer

    async def _watch_pods(self, run, writer):
        gate = self

        class Writer:
            write_nowait = staticmethod(lambda data: gate._pass_on(data, writer))

            def __getattr__(self, name):
                return getattr(writer, name)

        await run(Writer())

    def _pass_on(self, data, writer):
        if self.pod_events is None:
            return writer.write_nowait(data)
        for line in data.splitlines(keepends=True):
            self.pod_events(line, writer.write_nowait)
        return True

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


def build(cluster, control=None):
    """The controller by itself, over caches of its own."""
    made = cluster.context()
    flavor = replicaset.Flavor("test", NAME, apps.ReplicaSet, 1)
    return replicaset.ReplicaSetController(made, flavor, control and control(made)), made.informers


async def test_r3_sync_handler_can_be_another(cluster):
    """Seed R3: whatever stands for the sync handler is called with the key."""
    made, informers = build(cluster)
    keys = []

    async def sync(key):
        keys.append(key)

    made.controller.sync = sync
    await informers.start()
    cluster.start(made.run())
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    assert keys == ["default/web"]


async def test_r4_a_deleted_one_is_forgotten(cluster):
    """Seed R4: the sync of one that was deleted meanwhile succeeds and drops its expectations."""
    made, informers = build(cluster)
    await informers.start()
    made.expectations.expect_creations("default/web", 2)
    assert await made.sync_replica_set("default/web") is None
    assert made.expectations.get("default/web") is None


async def test_r4_status_follows_generation(cluster):
    """Seed R4: the status says which generation it is about."""
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    await scale(cluster, 1)
    await cluster.settle()
    found = await cluster.get(RS, "web")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    assert found["status"]["replicas"] == 1


@pytest.mark.parametrize(("kind", "name"), [("ReplicaSet", NAME), ("ReplicationController", "replicationcontroller")])
async def test_r3_one_code_for_both_kinds(cluster, kind, name):
    """Seed R3: a ReplicationController behaves as a ReplicaSet does."""
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
    """Seed R5: syncs in between make no Pod twice."""
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 0))
    await cluster.settle()
    gate = Gate(cluster)
    await scale(cluster, 3)
    for number in range(5):
        await cluster.patch(RS, "web", {"metadata": {"labels": {"n": str(number)}}})
    await cluster.settle()
    assert len(gate.creates) == len(await names(cluster)) == 3


async def test_r5_waits_for_a_slow_watch(cluster):
    """Seed R5: the watch on Pods is five seconds late: three Pods for three replicas, not six."""
    gate = Gate(cluster)
    gate.pod_events = lambda line, pass_on: cluster.clock.call_later(5.0, lambda: pass_on(line))
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 0))
    await cluster.settle(6)
    await scale(cluster, 3)
    await cluster.settle(3)
    await cluster.patch(RS, "web", {"metadata": {"labels": {"look": "again"}}})
    await cluster.settle(20)
    assert len(gate.creates) == len(await names(cluster)) == 3


async def test_r5_acts_again_after_five_minutes(cluster):
    """Seed R5: the watch never tells of a Pod: five minutes later it is made good."""
    gate = Gate(cluster)
    lost = []

    def lose_the_first(line, pass_on):
        name = msgspec.json.decode(line)["object"]["metadata"].get("name")
        lost.extend([name] if name and not lost else [])
        if name not in lost:
            pass_on(line)

    gate.pod_events = lose_the_first
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 3))
    await cluster.settle()
    await cluster.delete("Pod", lost[0], grace_period=0)
    await cluster.settle(290)
    assert len(await names(cluster)) == 2
    await cluster.settle(20)
    assert len(await names(cluster)) == 3


async def test_r6_failed_pods_are_replaced_and_stay(cluster):
    """Seed R6: a failed Pod does not count, and is left to the Pod garbage collector."""
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 1))
    await cluster.settle()
    (name,) = await names(cluster)
    await cluster.set_pod(name, phase="Failed", ready=False)
    await cluster.settle()
    assert len(await names(cluster)) == 2
    assert name in await names(cluster)


async def test_r7_adopts_and_releases(cluster):
    """Seed R7: a matching orphan is adopted and counts; one that no longer matches is released and replaced."""
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
    """Seed R8: no new Pod in a foreground deletion, though Pods vanish."""
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    await cluster.delete(RS, "web", propagation="Foreground")
    name = (await names(cluster))[0]
    await cluster.delete("Pod", name, grace_period=0)
    await cluster.settle()
    assert len(await names(cluster)) == 1


async def test_r9_creates_in_growing_batches(cluster):
    """Seed R9: ten Pods come in batches of 1, 2, 4 and 3."""
    await cluster.run(NAME)
    gate = Gate(cluster)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 10))
    await cluster.settle()
    assert gate.sizes == [1, 2, 4, 3]


async def test_r9_at_most_a_burst_at_once(cluster):
    """Seed R9: 600 Pods: 500 in the first sync, 100 in the next."""
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
    """Seed R10: a quota lets two of ten be: the first sync tries three, every retry one, later and later."""
    await cluster.run(NAME, QUOTA)
    await cluster.quota("q", pods="2")
    gate = Gate(cluster)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 10))
    await cluster.settle(1)
    assert gate.sizes[:2] == [1, 2]
    assert set(gate.sizes[2:]) == {1}
    gaps = [later - earlier for earlier, later in itertools.pairwise(gate.times[-4:])]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 2 * gaps[0]
    assert len(await names(cluster)) == 2
    (condition,) = (await cluster.get(RS, "web"))["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("ReplicaFailure", "True", "FailedCreate")
    failed = [message for reason, message in await cluster.events("web") if reason == "FailedCreate"]
    assert len(failed) == len(gate.creates) - 2  # one a sync
    await cluster.patch("ResourceQuota", "q", {"spec": {"hard": {"pods": "10"}}})
    await cluster.settle(60)
    assert len(await names(cluster)) == 10
    assert "conditions" not in (await cluster.get(RS, "web"))["status"]


async def test_r11_a_namespace_that_goes_away_is_no_error(cluster):
    """Seed R11: creations that the end of the namespace refuses are neither repeated nor reported."""
    await cluster.run(NAME)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}, "")
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2), "a")
    await cluster.settle()
    await cluster.delete("Namespace", "a", "")
    gate = Gate(cluster)
    await cluster.patch(RS, "web", {"spec": {"replicas": 9}}, "a")
    await cluster.settle(200)
    assert len(gate.creates) == 7
    assert len(await cluster.live_pods("a")) == 2
    assert "conditions" not in (await cluster.get(RS, "web", "a"))["status"]
    assert {reason for reason, _ in await cluster.events("web", "a")} == {"SuccessfulCreate"}


async def test_r12_least_missed_goes_first(cluster):
    """Seed R12: the Pending one of five; then the one that costs less; then the newest."""
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
    old = await names(cluster)
    await cluster.settle(600)
    await scale(cluster, 4)
    await cluster.settle()
    await cluster.start_pods()
    await cluster.settle()
    await scale(cluster, 3)
    await cluster.settle()
    assert await names(cluster) == old


async def test_r13_all_deletions_are_tried_though_one_fails(cluster):
    """Seed R13: one deletion is refused: the others are done, and the key is tried again."""
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 4))
    await cluster.settle()
    stuck = (await names(cluster))[0]
    await cluster.patch("Pod", stuck, {"metadata": {"labels": {"guarded": "yes"}}})
    await cluster.apply(GUARD)
    await scale(cluster, 0)
    await cluster.settle()
    assert await names(cluster) == [stuck]
    (refused,) = {text for reason, text in await cluster.events("web") if reason == "FailedDelete"}
    assert refused.startswith('Error deleting: Internal error occurred: failed calling webhook "guard.example.com": ')
    await cluster.delete("admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration", "guard")
    await cluster.settle(5)
    assert await names(cluster) == []


async def test_p3_first_version_has_no_node_and_a_generated_name(cluster):
    """Seed P3: the first version of a Pod has a generated name and no node."""
    await cluster.run(NAME)
    await cluster.apply(cluster.workload("ReplicaSet", "web", 1))
    await cluster.settle()
    (pod,) = await cluster.list_all("Pod")
    assert pod["metadata"]["generateName"] == "web-"
    assert len(pod["metadata"]["name"]) == len("web-") + 5
    assert "nodeName" not in pod["spec"]


class Recorded:
    """What the controller decides on: how many Pods it makes, which it deletes; `real` carries that out."""

    def __init__(self, real=None):
        self.created = 0
        self.deleted = []
        self._real = real

    async def create_pods(self, namespace, template, owner, reference):
        self.created += 1
        if self._real is not None:
            return await self._real.create_pods(namespace, template, owner, reference)

    async def delete_pod(self, namespace, name, owner):
        self.deleted.append(name)
        if self._real is not None:
            await self._real.delete_pod(namespace, name, owner)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize(
    ("wanted", "there", "created", "deleted"),
    [(10, "abc", 7, ""), (600, "abc", 500, ""), (3, "abc", 0, ""), (2, "abc", 0, "a"), (0, "abc", 0, "abc")],
)
async def test_p1_decisions_do_not_depend_on_who_carries_them_out(cluster, real, wanted, there, created, deleted):
    """Seed P1: one sync over Pods of which "a" is not ready decides the same with a fake control and the real one."""
    decided = Recorded()

    def control(context):
        client = context.client_for(NAME)
        if real:
            decided._real = pod_control.RealPodControl(client, context.recorder(NAME, client))
        return decided

    made, informers = build(cluster, control)
    owner = await cluster.apply(cluster.workload("ReplicaSet", "web", wanted))
    for name in there:
        reference = cluster.owner(owner, controller=True, blockOwnerDeletion=True)
        pod = {"apiVersion": "v1", "kind": "Pod", **cluster.template({"app": "web"})}
        await cluster.apply({**pod, "metadata": {**pod["metadata"], "name": name, "ownerReferences": [reference]}})
        await cluster.set_pod(name, ready=name != "a")
    await informers.start()
    await informers.wait_for_sync()
    await made.sync_replica_set("default/web")
    assert (decided.created, "".join(sorted(decided.deleted))) == (created, deleted)


async def test_p2_every_pod_has_one_controller(cluster):
    """Seed P2: exactly one owner with controller: true, with the uid of the ReplicaSet."""
    await cluster.run(NAME)
    made = await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle()
    owners = [pod["metadata"]["ownerReferences"] for pod in await cluster.list_all("Pod")]
    assert owners == [[cluster.owner(made, controller=True, blockOwnerDeletion=True)]] * 2


async def test_p4_events_tell_of_success_and_failure(cluster):
    """Seed P4: SuccessfulCreate for what was made, FailedCreate with the server's reason for what was not."""
    await cluster.run(NAME, QUOTA)
    await cluster.quota("q", pods="1")
    await cluster.apply(cluster.workload("ReplicaSet", "web", 2))
    await cluster.settle(0.01)
    (pod,) = await names(cluster)
    events = dict(await cluster.events("web"))
    assert events["SuccessfulCreate"] == f"Created pod: {pod}"
    refused = r'Error creating: pods "web-\w{5}" is forbidden: '
    refused += "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
    assert re.fullmatch(refused, events["FailedCreate"])


async def test_restart_makes_good_what_was_missed(cluster):
    """Seed M3: back to N after Pods vanished while no manager ran."""
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


def test_conditions_change_only_with_the_verdict():
    now = clocks.VirtualClock().now()
    owner = apps.ReplicaSet(spec=apps.ReplicaSetSpec(replicas=1))
    status = replicaset.calculate_status(owner, [], errors.InternalError("no"), now)
    assert [one["reason"] for one in status["conditions"]] == ["FailedCreate"]
    assert replicaset.calculate_status(owner, [], None, now)["conditions"] == []
