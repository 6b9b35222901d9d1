"""All controllers together: they have the rights they need, and are quiet when nothing happens."""

import collections
import logging

import msgspec
import pytest

from pybernetes.controllers import context, manager, table
from pybernetes.http import messages

# upstream's NewControllerDescriptors that are on by default and have no counterpart yet
UPSTREAM = {
    "bootstrap-signer-controller": "bootstrapsigner",
    "certificatesigningrequest-approving-controller": "csrapproving",
    "certificatesigningrequest-cleaner-controller": "csrcleaner",
    "certificatesigningrequest-signing-controller": "csrsigning",
    "clusterrole-aggregation-controller": "clusterrole-aggregation",
    "cronjob-controller": "cronjob",
    "daemonset-controller": "daemonset",
    "deployment-controller": "deployment",
    "disruption-controller": "disruption",
    "endpoints-controller": "endpoint",
    "endpointslice-controller": "endpointslice",
    "endpointslice-mirroring-controller": "endpointslicemirroring",
    "garbage-collector-controller": "garbagecollector",
    "horizontal-pod-autoscaler-controller": "horizontalpodautoscaling",
    "job-controller": "job",
    "namespace-controller": "namespace",
    "node-ipam-controller": "nodeipam",
    "node-lifecycle-controller": "nodelifecycle",
    "persistentvolume-attach-detach-controller": "attachdetach",
    "persistentvolume-binder-controller": "persistentvolume-binder",
    "persistentvolume-expander-controller": "persistentvolume-expander",
    "persistentvolume-protection-controller": "pv-protection",
    "persistentvolumeclaim-protection-controller": "pvc-protection",
    "pod-garbage-collector-controller": "podgc",
    "podcertificaterequest-cleaner-controller": "",
    "replicaset-controller": "replicaset",
    "replicationcontroller-controller": "replicationcontroller",
    "resourcequota-controller": "resourcequota",
    "root-ca-certificate-publisher-controller": "root-ca-cert-publisher",
    "serviceaccount-controller": "serviceaccount",
    "serviceaccount-token-controller": "serviceaccount-token",
    "statefulset-controller": "statefulset",
    "taint-eviction-controller": "",
    "token-cleaner-controller": "tokencleaner",
    "ttl-after-finished-controller": "ttl-after-finished",
    "ttl-controller": "ttl",
}


def test_names_and_aliases_are_upstreams():
    """Seed C2: the map of controllers has upstream's names and aliases, and both select."""
    assert {name: row.alias for name, row in table.CONTROLLERS.items()}.items() <= UPSTREAM.items()
    assert set(table.enabled()) - set(table.enabled(("*", "-replicaset"))) == {"replicaset-controller"}
    assert set(table.enabled(("job-controller", "podgc"))) == {"job-controller", "pod-garbage-collector-controller"}


async def test_what_is_not_served_is_skipped(cluster, caplog):
    """Seed C3: without its API, and without what its settings need, a controller is skipped, and the log says so."""
    handle = cluster.gate

    async def without_batch(request):
        answer = await handle(request)
        if request.path == "/apis":
            listed = msgspec.json.decode(b"".join(answer.body))
            listed["groups"] = [one for one in listed["groups"] if one["name"] != "batch"]
            return messages.Response(200, [("Content-Type", "application/json")], msgspec.json.encode(listed))
        return answer

    cluster.gate = without_batch
    caplog.set_level("INFO")
    await cluster.run("job", "nodeipam", "namespace")
    skipped = [record.kv["controller"] for record in caplog.records if "skipping" in record.getMessage()]
    assert sorted(skipped) == ["job-controller", "node-ipam-controller"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [({"cluster_cidr": "nonsense"}, "nonsense"), ({"service_account_key": "nonsense"}, "Unable to load PEM")],
)
async def test_nothing_starts_when_one_cannot_be_built(cluster, broken, reason):
    """Seed C3: a controller that cannot be built ends the manager before any other has started."""
    client = cluster.client_for("system:kube-controller-manager")
    settings = context.Settings(root_ca="CA", **broken)
    built = []
    running = manager.ControllerManager(
        client, cluster.account, cluster.clock, settings, built=lambda name, controller: built.append(name)
    )
    with pytest.raises(ValueError, match=reason):
        await running.run()
    assert built == []


async def test_tokens_come_first(cluster):
    """Seed C4: the controller that makes tokens is built before all others."""
    assert next(iter(table.enabled())) == "serviceaccount-token-controller"


async def test_one_watch_of_each_resource_and_writes_under_own_names(cluster):
    """Seed C5: however many controllers use Pods, there is one watch; each writes as its own service account."""
    watched, writers, others = collections.Counter(), set(), set()
    accounts = "system:serviceaccount:kube-system:"
    handle = cluster.gate

    async def note(request):
        user = request.headers.get("authorization").removeprefix("Bearer ")
        if "watch" in request.query:
            watched[user, request.path] += 1
        elif request.method != "GET" and user != "admin":
            (writers if user.startswith(accounts) else others).add((user, request.path))
        return await handle(request)

    cluster.gate = note
    await cluster.run("*")
    await scene(cluster)
    await cluster.settle()
    await cluster.start_pods("a")
    await cluster.settle(10)
    manager_name = "system:kube-controller-manager"
    assert watched[manager_name, "/api/v1/pods"] == 1
    assert set(watched.values()) == {1}
    assert {user for user, _ in watched} == {manager_name}
    named = {f"{accounts}{name}-controller" for name in ("deployment", "replicaset", "job", "statefulset")}
    assert {user for user, _ in writers} >= named
    # the accounts themselves are made by the manager
    assert others == {(manager_name, "/api/v1/namespaces/kube-system/serviceaccounts")}
    listed = await cluster.client_for("admin").dynamic("v1", "ServiceAccount").list("kube-system")
    assert named <= {f"{accounts}{one['metadata']['name']}" for one in listed.items}


async def scene(cluster):
    """Something for each of them to do."""
    for name in ("n1", "n2"):
        await cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}, "")
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}, "")
    ports = [{"port": 80}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    await cluster.apply({**service, "spec": {"selector": {"app": "web"}, "ports": ports}}, "a")
    await cluster.apply(cluster.workload("Deployment", "web", 2), "a")
    claim = {"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    claim["spec"]["resources"] = {"requests": {"storage": "1Gi"}}
    stateful = cluster.workload("StatefulSet", "db", 1, serviceName="db", volumeClaimTemplates=[claim])
    await cluster.apply(stateful, "a")
    daemon = cluster.workload("DaemonSet", "d", 0)
    del daemon["spec"]["replicas"]
    await cluster.apply(daemon, "a")
    template = cluster.template({"job": "j"}, restartPolicy="Never")
    selector = {"manualSelector": True, "selector": {"matchLabels": {"job": "j"}}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}}
    await cluster.apply({**job, "spec": {"template": template, **selector}}, "a")
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    await cluster.apply({**cron, "spec": spec}, "a")
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}}
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    await cluster.apply({**budget, "spec": spec}, "a")


async def test_everybody_has_the_rights_for_what_they_do(cluster, caplog):
    caplog.set_level(logging.WARNING)
    await cluster.run("*")
    await scene(cluster)
    await cluster.settle()
    await cluster.start_pods("a")
    await cluster.settle(30)
    for pod in await cluster.list_all("Pod", "a"):
        if pod["metadata"]["name"].startswith("j-"):
            await cluster.set_pod(pod["metadata"]["name"], "a", phase="Succeeded", ready=False)
    await cluster.settle(5)
    await cluster.delete("Node", "n2", "")
    await cluster.delete("apps/v1/Deployment", "web", "a", propagation="Foreground")
    await cluster.settle(60)
    await cluster.reap("a")
    await cluster.delete("Namespace", "a", "")
    await cluster.settle(10)
    await cluster.reap("a")
    await cluster.settle(30)
    left = [one for one in await cluster.list_all("Namespace", "") if "deletionTimestamp" in one["metadata"]]
    assert left == []
    refused = [record.getMessage() for record in caplog.records if "forbidden" in record.getMessage()]
    assert refused == []


@pytest.mark.slow
async def test_nothing_is_written_when_nothing_happens(cluster):
    await cluster.run("*")
    await scene(cluster)
    await cluster.settle()
    await cluster.start_pods("a")
    await cluster.settle(600)
    writes = []
    handle = cluster.gate

    async def count(request):
        if request.method != "GET":
            writes.append((request.method, request.path))
        return await handle(request)

    cluster.gate = count
    await cluster.settle(3600)
    assert writes == []
